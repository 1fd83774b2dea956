import { isDeepStrictEqual } from 'node:util';
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
 * where it was, unless TLS was to keep out some that are let in there.
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
    if (!running || isDeepStrictEqual(before, wanted)) return;
    await stop();
    try {
      await start(wanted);
      const stays = before?.host === wanted?.host && before?.port === wanted?.port;
      log.info(
        { server: name, ...placeOf(wanted) },
        stays ? 'Server has taken up other certificates' : 'Server has moved',
      );
    } catch (err) {
      if (!isAsStrict(before, wanted)) {
        log.error({ err, server: name, ...placeOf(wanted) }, 'Server cannot move, nor stay where more are let in');
        return;
      }
      log.error({ err, server: name, ...placeOf(before) }, 'Server cannot move; it stays where it was');
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

/** Whether a place lets in no more than another. */
function isAsStrict(place: ListenOptions | undefined, other: ListenOptions | undefined): boolean {
  if (place === undefined || other?.tls === undefined) return true;
  return place.tls?.clientAuth === other.tls.clientAuth && place.tls.ca === other.tls.ca;
}

/** For the log: never a key. */
function placeOf(options: ListenOptions | undefined): Readonly<Record<string, unknown>> {
  if (options === undefined) return { port: 'none' };
  const { host, port, tls } = options;
  return { host, port, ...(tls === undefined ? {} : { tls: tls.clientAuth }) };
}
