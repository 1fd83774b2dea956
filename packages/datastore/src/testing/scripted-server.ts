/** What a scripted server was asked. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An HTTP server for tests whose every answer is a function of what was asked. */
export interface ScriptedServer {
  readonly url: string;
  readonly asked: Asked[];
  stop(): Promise<void>;
}

/** Where it listens, and as whom. */
export interface ScriptedServerOptions {
  readonly unix?: string;
  readonly tls?: Bun.TLSOptions;
}

/** Starts one on a free port of 127.0.0.1, or on a unix socket. */
export function startScriptedServer(
  answer: (asked: Asked, count: number) => Response | Promise<Response>,
  options: ScriptedServerOptions = {},
): ScriptedServer {
  const asked: Asked[] = [];
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url);
    const { method, headers } = request;
    const entry: Asked = {
      method,
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: headers.toJSON(),
      body: await request.text(),
    };
    asked.push(entry);
    return answer(entry, asked.length);
  };
  const { unix, tls } = options;
  const server =
    unix === undefined
      ? Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch, ...(tls === undefined ? {} : { tls }) })
      : Bun.serve({ unix, fetch });
  const scheme = tls === undefined ? 'http' : 'https';
  return {
    url: unix === undefined ? `${scheme}://127.0.0.1:${server.port}` : 'http://localhost',
    asked,
    stop: () => server.stop(true),
  };
}

/** A meta/v1 Status as an API server sends it. */
export function statusResponse(
  code: number,
  reason: string,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json(
    { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code },
    { status: code, headers },
  );
}
