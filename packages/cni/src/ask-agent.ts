import { statSync } from 'node:fs';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniAnswer, CniRequest } from './protocol.ts';

/** Time for {@link askAgent}: milliseconds from any fixed moment, the time of day, and a wait. */
export interface AskTime {
  now(): number;
  /** Milliseconds since 1970. */
  wallTime(): number;
  sleep(ms: number): Promise<void>;
}

/** Where and how long to ask. */
export interface AskOptions {
  readonly socketPath: string;
  /** How long an agent that is away is waited for, in milliseconds. */
  readonly patienceMs: number;
  readonly time: AskTime;
}

/** The agent itself answers earlier; past this it hangs. */
const longestAnswerSeconds = 120;
const firstDelayMs = 20;
const longestDelayMs = 500;

/**
 * Sends a request to the agent and gives its answer. An agent that is away, or ends before it answers, is tried again until
 * the patience is used up (every command may be repeated); then CniError 11 with the cause.
 */
export async function askAgent(request: CniRequest, options: AskOptions): Promise<CniAnswer> {
  const { socketPath, patienceMs, time } = options;
  const line = `${JSON.stringify(request)}\n`;
  const end = time.now() + patienceMs;
  const since = new Date(time.wallTime()).toISOString();
  for (let delay = firstDelayMs, tries = 1; ; delay = Math.min(delay * 2, longestDelayMs), tries++) {
    try {
      return parseAnswer(await exchange(socketPath, line));
    } catch (error) {
      const left = end - time.now();
      if (left <= 0) {
        throw new CniError(
          errorCodes.tryAgainLater,
          `Cannot ${request.command} network: no node agent answers on ${socketPath} within ${patienceMs / 1000} s`,
          `${causeOf(error)}; asked ${tries} times since ${since}${socketAge(socketPath)}`,
        );
      }
      await time.sleep(Math.min(delay, left));
    }
  }
}

/** Bun.connect rather than node:net: loading the latter costs 3 ms of the plugin's 8. */
function exchange(socketPath: string, line: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const decoder = new TextDecoder();
  let answer = '';
  let rest = new TextEncoder().encode(line);
  const send = (socket: { write(bytes: Uint8Array): number }): void => {
    if (rest.length > 0) rest = rest.subarray(Math.max(0, socket.write(rest)));
  };
  Bun.connect({
    unix: socketPath,
    socket: {
      open: send,
      drain: send,
      data(socket, chunk) {
        answer += decoder.decode(chunk, { stream: true });
        if (chunk.at(-1) !== NEWLINE) return;
        resolve(answer);
        socket.end();
      },
      close: () => reject(new Error('the agent closed the connection without an answer')),
      error: (_, error) => reject(error),
      timeout: socket => socket.terminate(),
    },
  }).then(socket => socket.timeout(longestAnswerSeconds), reject);
  return promise;
}

const NEWLINE = 10;

function parseAnswer(text: string): CniAnswer {
  const answer: unknown = JSON.parse(text);
  if (typeof answer === 'object' && answer !== null && ('output' in answer || 'error' in answer)) {
    return answer as CniAnswer;
  }
  throw new Error('the agent gave an answer that is none');
}

/** When the agent that is gone has made its socket, or when the socket's folder was last seen to change. */
function socketAge(socketPath: string): string {
  const socket = statSync(socketPath, { throwIfNoEntry: false });
  if (socket !== undefined) return `; the socket was made at ${socket.mtime.toISOString()}`;
  const path = socketPath.slice(0, socketPath.lastIndexOf('/')) || '/';
  const folder = statSync(path, { throwIfNoEntry: false });
  return folder === undefined
    ? `; its folder ${path} is not there`
    : `; its folder was last changed at ${folder.mtime.toISOString()}`;
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : undefined;
  if (code === 'ENOENT') return 'the socket is not there: the agent is not running yet';
  if (code === 'ECONNREFUSED') return 'nobody listens on the socket: the agent is not running';
  if (code === 'EACCES') return 'the socket may not be opened by this user';
  return error.message;
}
