import type { Component, HttpServer, ListenOptions, Logger } from '@calico/process';

/** A server that moves while the process runs. */
export interface MovableServer extends Component {
  /** Listens there from now on; undefined: nowhere. */
  listen(options: ListenOptions | undefined): void;
  /** Resolves once every move asked for so far has ended. */
  readonly settled: Promise<void>;
}

/**
 * Makes a server that can move. Its start rejects where it cannot listen; a later move that fails is logged, and it stays
 * where it was.
 */
export function movableServer(
  name: string,
  options: ListenOptions | undefined,
  open: (options: ListenOptions) => HttpServer,
  log: Logger,
): MovableServer {
  let wanted = options;
  let current: { options: ListenOptions; server: HttpServer } | undefined;
  let running = false;
  let moving: Promise<void> = Promise.resolve();
  const start = async (at: ListenOptions | undefined) => {
    if (at === undefined) return;
    const server = open(at);
    await server.start();
    current = { options: at, server };
  };
  const stop = async () => {
    const { server } = current ?? {};
    current = undefined;
    await server?.stop();
  };
  const move = async () => {
    const before = current?.options;
    if (!running || same(before, wanted)) return;
    await stop();
    try {
      await start(wanted);
      log.info({ server: name, ...(wanted ?? { port: 'none' }) }, 'Server has moved');
    } catch (err) {
      log.error({ err, server: name, ...before }, 'Server cannot move; it stays where it was');
      await start(before).catch(error => log.error({ err: error, server: name }, 'Server cannot go back either'));
    }
  };
  return {
    name,
    start() {
      const started = moving.then(() => {
        running = true;
        return start(wanted);
      });
      moving = started.catch(() => {});
      return started;
    },
    async stop() {
      running = false;
      await moving;
      await stop();
    },
    get settled() {
      return moving;
    },
    listen(to) {
      wanted = to;
      moving = moving.then(move);
    },
  };
}

function same(a: ListenOptions | undefined, b: ListenOptions | undefined): boolean {
  return a?.host === b?.host && a?.port === b?.port;
}
