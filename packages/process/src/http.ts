import type { HealthAggregator, HealthSummary } from './health.ts';
import type { Component } from './lifecycle.ts';
import { type Listening, type ServerTls, serveTls } from './tls-server.ts';

export interface ListenOptions {
  /** `localhost` is 127.0.0.1 and ::1, empty is every address; any other host is that one alone. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Clear text if absent. */
  readonly tls?: ServerTls;
}

/** A small HTTP server as a part of a process; a server that has started knows its port. */
export interface HttpServer extends Component {
  readonly port: number;
}

/** The answers by path; a path that is not here is 404, a method other than GET and HEAD 405. */
export type Routes = Readonly<Record<string, () => Response | Promise<Response>>>;

/** Serves pages by HTTP for probes and scrapes. */
export function httpServer(name: string, options: ListenOptions, routes: Routes): HttpServer {
  let servers: Listening[] = [];
  return {
    name,
    get port() {
      return servers[0]?.port ?? options.port;
    },
    async start() {
      try {
        servers = await listen(options, request => answer(request, routes));
      } catch (cause) {
        const where = `${options.host || '*'} port ${options.port}`;
        throw new Error(`Cannot listen on ${where}: ${String(codeOf(cause) ?? cause)}`, { cause });
      }
    },
    async stop() {
      const stopping = servers;
      servers = [];
      await Promise.all(stopping.map(server => server.stop()));
    },
  };
}

/** Serves `/liveness` and `/readiness`: 200 with a table, 204 when nobody reports, 503 with the causes. */
export function healthServer(options: ListenOptions, health: HealthAggregator): HttpServer {
  return httpServer('health server', options, {
    '/liveness': () => healthResponse(health.liveness()),
    '/readiness': () => healthResponse(health.readiness()),
  });
}

/** Serves `/metrics` in the Prometheus text format. */
export function metricsServer(
  options: ListenOptions,
  registry: { readonly contentType: string; metrics(): Promise<string> },
): HttpServer {
  return httpServer('metrics server', options, {
    '/metrics': async () =>
      new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } }),
  });
}

function healthResponse({ ok, text }: HealthSummary): Response {
  if (ok && text === '') return new Response(null, { status: 204 });
  return new Response(text, { status: ok ? 200 : 503, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

async function answer(request: Request, routes: Routes): Promise<Response> {
  const { pathname } = new URL(request.url);
  const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined;
  if (route === undefined) return new Response('404 page not found\n', { status: 404 });
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return new Response('405 method not allowed\n', { status: 405, headers: { allow: 'GET, HEAD' } });
  }
  return route();
}

type Handler = (request: Request) => Promise<Response>;

/** How often a free port of one address is tried that must be free on the other too. */
const PORT_TRIES = 10;

async function listen({ host, port, tls }: ListenOptions, fetch: Handler): Promise<Listening[]> {
  const serve = async (address: string, at = port): Promise<Listening> =>
    tls === undefined ? serveClear(address, at, fetch) : serveTls(address, at, tls, fetch);
  if (host === '') {
    const both = await serve('::').catch(error => {
      if (codeOf(error) === 'EADDRINUSE') throw error;
      return serve('0.0.0.0');
    });
    return [both];
  }
  if (host !== 'localhost') return [await serve(host)];
  for (let tries = 1; ; tries++) {
    const ipv4 = await serve('127.0.0.1');
    try {
      return [ipv4, await serve('::1', ipv4.port)];
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') return [ipv4];
      await ipv4.stop();
      if (port !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}

function serveClear(hostname: string, port: number, fetch: Handler): Listening {
  const server = Bun.serve({ hostname, port, fetch });
  return { port: server.port ?? port, stop: () => server.stop(true) };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
