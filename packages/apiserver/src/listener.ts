/** Sockets: the one place of this package that knows Bun.serve. */
import { rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';

/** A TCP address or a unix socket path. `localhost` is 127.0.0.1 and ::1, both on one port; port 0 picks a free one. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly unix: string };

/** PEM texts. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
}

/** Open sockets. */
export interface Listener {
  /** Base URLs of the TCP sockets, in the order asked for; `https://localhost:<port>` for localhost. */
  readonly urls: readonly string[];
  /** Takes no more connections and waits for requests in flight, at most `graceMs`; then cuts the rest. */
  close(graceMs: number): Promise<void>;
}

type Handler = (request: Request) => Promise<Response>;
type Server = ReturnType<typeof Bun.serve>;

/** Above the largest body by so much that the handler, not Bun, answers one that is too large. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

function codeOf(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
}

function serveTcp(host: string, port: number, tls: TlsOptions | undefined, fetch: Handler): Server {
  return Bun.serve({
    hostname: host,
    port,
    fetch,
    // Bun cuts streams that are idle for 10 s otherwise; a watch may be silent for long.
    idleTimeout: 0,
    maxRequestBodySize: MAX_REQUEST_BYTES,
    ...(tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key } }),
  });
}

function serveLocalhost(port: number, tls: TlsOptions | undefined, fetch: Handler): Server[] {
  for (let attempt = 0; ; attempt++) {
    const first = serveTcp('127.0.0.1', port, tls, fetch);
    try {
      return [first, serveTcp('::1', first.port ?? port, tls, fetch)];
    } catch (cause) {
      // Machines without IPv6 have no ::1; any other failure is one.
      if (codeOf(cause) === 'EADDRNOTAVAIL' || codeOf(cause) === 'EAFNOSUPPORT') return [first];
      void first.stop(true);
      if (port !== 0 || attempt === 8) throw cause;
    }
  }
}

/** Whether somebody answers on a unix socket. */
function isAlive(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function serveUnix(path: string, tls: TlsOptions | undefined, fetch: Handler): Promise<Server> {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket()) {
    if (await isAlive(path)) throw new Error('another process listens there');
    rmSync(path); // Left behind by a process that was killed.
  }
  // The socket is made with mode 0600 from the start: no moment in which others can connect.
  const umask = process.umask(0o177);
  try {
    const secured = tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key } };
    const options = { unix: path, fetch, maxRequestBodySize: MAX_REQUEST_BYTES, ...secured };
    // Bun's types know idleTimeout for TCP alone; unix sockets have it too.
    Object.assign(options, { idleTimeout: 0 });
    return Bun.serve(options);
  } finally {
    process.umask(umask);
  }
}

function printAddress(address: ListenAddress): string {
  if ('unix' in address) return address.unix;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Opens every address, or none. Throws an Error that names the address that could not be opened. */
export async function listen(
  addresses: readonly ListenAddress[],
  tls: TlsOptions | undefined,
  handler: Handler,
): Promise<Listener> {
  const servers: Server[] = [];
  const urls: string[] = [];
  for (const address of addresses) {
    try {
      if ('unix' in address) {
        servers.push(await serveUnix(address.unix, tls, handler));
        continue;
      }
      const { host, port } = address;
      const opened = host === 'localhost' ? serveLocalhost(port, tls, handler) : [serveTcp(host, port, tls, handler)];
      servers.push(...opened);
      const shown = printAddress({ host, port: opened[0]?.port ?? port });
      urls.push(`${tls === undefined ? 'http' : 'https'}://${shown}`);
    } catch (cause) {
      for (const server of servers) void server.stop(true);
      throw new Error(`Cannot listen on ${printAddress(address)}: ${messageOf(cause)}`, { cause });
    }
  }
  return {
    urls,
    close: async graceMs => {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, graceMs);
      await Promise.race([Promise.all(servers.map(server => server.stop(false))), late]);
      clearTimeout(timer);
      await Promise.all(servers.map(server => server.stop(true)));
      for (const address of addresses) if ('unix' in address) rmSync(address.unix, { force: true });
    },
  };
}
