import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';

/** The answer of a small HTTP server. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * GETs a path from inside a namespace. `fetch` would open its socket on another thread, so in another namespace; this
 * opens it on this one. HTTP/1.0, so that the body ends with the connection. Rejects when no whole answer comes in time.
 */
export function httpGet(
  namespace: Namespace,
  hostname: string,
  port: number,
  path: string,
  timeoutMs: number,
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const chunks: Uint8Array[] = [];
  const timer = setTimeout(
    () => reject(new Error(`no answer from ${hostname}:${port}${path} within ${timeoutMs} ms`)),
    timeoutMs,
  );
  inNamespace(namespace, () => {
    Bun.connect({
      hostname,
      port,
      socket: {
        open: socket => {
          socket.write(`GET ${path} HTTP/1.0\r\nHost: ${hostname}\r\n\r\n`);
        },
        data: (_, bytes) => {
          chunks.push(bytes.slice());
        },
        close: () => resolve(parseAnswer(Buffer.concat(chunks).toString('utf8'))),
        error: (_, error) => reject(error),
      },
    }).catch(reject);
  });
  return promise.finally(() => clearTimeout(timer));
}

function parseAnswer(text: string): HttpAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.[01] (\d+)/.exec(head)?.[1] ?? 0), body: rest.join('\r\n\r\n') };
}
