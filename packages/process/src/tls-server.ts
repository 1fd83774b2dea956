import { createServer as httpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TLSSocket, createServer as tlsServer } from 'node:tls';

/** Which certificates clients must show: none, any, a good one if they show one, a good one. */
export const clientAuths = [
  'NoClientCert',
  'RequireAnyClientCert',
  'VerifyClientCertIfGiven',
  'RequireAndVerifyClientCert',
] as const;
export type ClientAuth = (typeof clientAuths)[number];

/** Who a server is, and whom it answers; PEM texts. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly clientAuth: ClientAuth;
  /** Whose certificates of clients are good; nobody's if absent. */
  readonly ca?: string;
}

/** A place that is listened on. */
export interface Listening {
  readonly port: number;
  stop(): Promise<void>;
}

/** How long a client may take to agree on a key, and how long a connection may be silent, in milliseconds. */
const handshakeMs = 10_000;
const idleMs = 120_000;

/**
 * Serves HTTP over TLS 1.2 or later. Clients whose certificate is not what `clientAuth` asks for are cut off unanswered.
 * Rejects when it cannot listen there, or when key and certificate cannot be used.
 */
export async function serveTls(
  host: string,
  port: number,
  tls: ServerTls,
  handler: (request: Request) => Promise<Response>,
): Promise<Listening> {
  const open = new Set<TLSSocket>();
  let stopped = false;
  const pages = httpServer((request, response) => void reply(request, response, handler));
  const server = tlsServer(
    {
      cert: tls.cert,
      key: tls.key,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      minVersion: 'TLSv1.2',
      requestCert: tls.clientAuth !== 'NoClientCert',
      // Whom to refuse depends on more than this; see `isLetIn`.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeMs,
    },
    socket => {
      socket.on('error', () => socket.destroy());
      if (stopped || !isLetIn(socket, tls)) return void socket.destroy();
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.setTimeout(idleMs, () => socket.destroy());
      pages.emit('connection', socket);
    },
  );
  // What clients do wrong in a handshake is theirs.
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    // Its end would wait for clients that have not agreed on a key yet.
    async stop() {
      stopped = true;
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function isLetIn(socket: TLSSocket, { clientAuth, ca }: ServerTls): boolean {
  if (clientAuth === 'NoClientCert') return true;
  const shown = Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
  if (clientAuth === 'RequireAnyClientCert') return shown;
  if (!shown) return clientAuth === 'VerifyClientCertIfGiven';
  // Without a CA the runtime would trust those of the web.
  return ca !== undefined && socket.authorized;
}

async function reply(
  request: IncomingMessage,
  response: ServerResponse,
  handler: (request: Request) => Promise<Response>,
): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const answer = await handler(new Request(url.href, { method: request.method ?? 'GET' }));
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), 'content-length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
  } catch {
    response.writeHead(500).end();
  }
}
