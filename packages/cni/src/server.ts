import { createServer, type Server, type Socket } from 'node:net';
import { placeSocket } from '@calico/process/private-socket';
import type { Clock } from '@calico/reconcile';
import { answerShim } from './answer-shim.ts';
import { errorCodes } from './cni-error.ts';
import type { CniLog } from './deps.ts';
import type { CniHandler } from './handler.ts';
import { parseRequest } from './parse-request.ts';
import type { CniAnswer, CniRequest } from './protocol.ts';
import { parseShimCall, printShimAnswer, type ShimCall, shimCallSize } from './shim-call.ts';

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
 * Listens for calls, one per connection: of the plugin, a line of JSON each way, and of the shim before it. A socket that an agent which is
 * gone has left is replaced; rejects when a living one listens there.
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
  const call = await readCall(socket, requestTimeoutMs, clock);
  if (call === undefined) return;
  busy.add(socket);
  const timely: CniHandler = request => inTime(request, handler, answerTimeoutMs, clock);
  if (typeof call === 'string') {
    const request = parseRequest(call);
    answer(socket, `${JSON.stringify('error' in request ? request : await timely(request))}\n`, log);
    return;
  }
  const done = await answerShim(call, timely);
  // Without an answer the shim becomes the whole plugin.
  if (done === undefined) socket.end();
  else answer(socket, printShimAnswer(done), log);
}

function answer(socket: Socket, text: string, log: CniLog): void {
  if (socket.destroyed) log.info({}, 'The caller of a CNI call went away before its answer');
  else socket.end(text);
}

/** What the handler answers, or CNI error 11 when it takes too long. */
async function inTime(
  request: CniRequest,
  handler: CniHandler,
  timeoutMs: number,
  clock: Pick<Clock, 'setTimeout'>,
): Promise<CniAnswer> {
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

/** What a caller asks: a line of JSON, or a call by the shim. Undefined when it says nothing whole in time, or too much. */
function readCall(
  socket: Socket,
  timeoutMs: number,
  clock: Pick<Clock, 'setTimeout'>,
): Promise<string | ShimCall | undefined> {
  return new Promise(resolve => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    /** Where a call by the shim begins and ends; known once the first line is in whole. */
    let [start, stop] = [0, 0];
    const end = (call: string | ShimCall | undefined): void => {
      timer.cancel();
      resolve(call);
      if (call === undefined) socket.destroy();
    };
    const timer = clock.setTimeout(() => end(undefined), timeoutMs);
    socket.on('data', (chunk: Uint8Array) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > largestRequest) return end(undefined);
      if (start === 0) {
        if (!chunk.includes(NEWLINE)) return;
        const bytes = Buffer.concat(chunks);
        start = bytes.indexOf(NEWLINE) + 1;
        const line = bytes.toString('utf8', 0, start - 1);
        const shimSize = shimCallSize(line);
        if (shimSize === undefined) return end(line);
        stop = start + shimSize;
      }
      if (size >= stop) end(parseShimCall(Buffer.concat(chunks).subarray(start, stop)));
    });
    socket.on('close', () => end(undefined));
  });
}

const NEWLINE = 10;

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
