import type { Component } from './lifecycle.ts';
import { placeSocket } from './private-socket.ts';

/** Answers one request on a unix socket. */
export type SocketHandler = (request: Request) => Response | Promise<Response>;

/** A caller that takes nothing of its answer for so long is cut off, in seconds. */
const idleSeconds = 10;

/** Serves HTTP on a unix socket that its owner alone may open. Bodies that are streams are made as fast as they are read. */
export function socketServer(name: string, path: string, handler: SocketHandler): Component {
  let server: Bun.Server<undefined> | undefined;
  let takeAway = (): void => {};
  return {
    name,
    async start() {
      takeAway = await placeSocket(path, own => {
        const options = { unix: own, fetch: handler, maxRequestBodySize: 1 << 16 };
        // Bun's types know idleTimeout for TCP alone; unix sockets have it too.
        Object.assign(options, { idleTimeout: idleSeconds });
        server = Bun.serve(options);
      });
    },
    async stop() {
      takeAway();
      await server?.stop(true);
    },
  };
}

/** Asks a {@link socketServer} for a page. Rejects with the cause in words when nobody answers within `limitMs`. */
export async function fetchSocket(path: string, page: string, limitMs: number): Promise<Response> {
  try {
    return await fetch(`http://localhost${page}`, { unix: path, signal: AbortSignal.timeout(limitMs) });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const reason = REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
    throw new Error(`nobody answers on ${path}: ${reason}`, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'the socket is not there: the agent is not running',
  FailedToOpenSocket: 'the agent is not running, or this user may not open the socket',
  ECONNREFUSED: 'the agent is not running',
  EACCES: 'this user may not open it',
};
