import { createServer, type Server, type Socket } from 'node:net';
import { placeSocket } from '@calico/process/private-socket';
import type { Clock } from '@calico/reconcile';
import { errorCodes } from './cni-error.ts';
import type { CniLog } from './deps.ts';
import type { CniHandler } from './handler.ts';
import { parseRequest } from './parse-request.ts';
import type { CniAnswer } from './protocol.ts';

/** How a CNI server listens. */
export interface CniServerOptions {
  /** The socket's path; it is made with mode 0600, missing folders too. */
  readonly socketPath: string;
  readonly handler: CniHandler;
  readonly log: CniLog;
  /** How long a caller may take for its request, in milliseconds; 5000 unless given. */
  readonly requestTimeoutMs?: number;
  /** How long a call may take; then the caller gets CNI error 11 while the work goes on. 90000 unless given. */
  readonly answerTimeoutMs?: number;
  /** The machine's clock unless given. */
  readonly clock?: Pick<Clock, 'setTimeout'>;
}

/** A server that listens. */
export interface CniServer {
  /** Takes no more calls, and resolves when those under way are answered. */
  stop(): Promise<void>;
}

/** More than any network configuration has. */
const largestRequest = 1 << 20;

/**
 * Listens for calls of the plugin: a line of JSON each way per connection. A socket that an agent which is gone has left is
 * replaced; rejects when a living one listens there.
 */
export async function startCniServer(options: CniServerOptions): Promise<CniServer> {
  const open = new Set<Socket>();
  const calls = new Set<Promise<void>>();
  const server = createServer(socket => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // A caller that went away needs no answer; its call goes on.
    socket.on('error', () => socket.destroy());
    const call = serve(socket, options).finally(() => calls.delete(call));
    calls.add(call);
  });
  const takeAway = await placeSocket(options.socketPath, own => listen(server, own));
  return {
    async stop() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      takeAway();
      for (const socket of open) if (!busy.has(socket)) socket.destroy();
      await Promise.all(calls);
      for (const socket of open) socket.end();
      await closed;
    },
  };
}

const realClock: Pick<Clock, 'setTimeout'> = {
  setTimeout(call, ms) {
    const timer = setTimeout(call, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Sockets whose request has come in whole. */
const busy = new WeakSet<Socket>();

async function serve(socket: Socket, options: CniServerOptions): Promise<void> {
  const { handler, log, requestTimeoutMs = 5_000, answerTimeoutMs = 90_000, clock = realClock } = options;
  const line = await readLine(socket, requestTimeoutMs, clock);
  if (line === undefined) return;
  busy.add(socket);
  const answer = await answerTo(line, handler, answerTimeoutMs, clock);
  if (socket.destroyed) log.info({}, 'The caller of a CNI call went away before its answer');
  else socket.end(`${JSON.stringify(answer)}\n`);
}

async function answerTo(
  line: string,
  handler: CniHandler,
  timeoutMs: number,
  clock: Pick<Clock, 'setTimeout'>,
): Promise<CniAnswer> {
  const request = parseRequest(line);
  if ('error' in request) return request;
  const late = Promise.withResolvers<CniAnswer>();
  const timer = clock.setTimeout(() => {
    const msg = `Cannot ${request.command} network: not done within ${timeoutMs / 1000} s; it goes on`;
    late.resolve({ error: { code: errorCodes.tryAgainLater, msg } });
  }, timeoutMs);
  try {
    return await Promise.race([handler(request), late.promise]);
  } finally {
    timer.cancel();
  }
}

/** The first line that a caller sends; undefined when it sends none in time, or too much. */
function readLine(socket: Socket, timeoutMs: number, clock: Pick<Clock, 'setTimeout'>): Promise<string | undefined> {
  return new Promise(resolve => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const end = (line: string | undefined): void => {
      timer.cancel();
      resolve(line);
      if (line === undefined) socket.destroy();
    };
    const timer = clock.setTimeout(() => end(undefined), timeoutMs);
    socket.on('data', (chunk: Uint8Array) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > largestRequest) end(undefined);
      else if (chunk.includes(NEWLINE)) end(firstLine(Buffer.concat(chunks)));
    });
    socket.on('close', () => end(undefined));
  });
}

const NEWLINE = 10;

function firstLine(bytes: Buffer): string {
  return bytes.toString('utf8', 0, bytes.indexOf(NEWLINE));
}

async function listen(server: Server, path: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => resolve());
    });
  } catch (error) {
    server.close();
    throw error;
  }
}
