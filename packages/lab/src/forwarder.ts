import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';
import type { Socket } from 'bun';

/** A connection's other half and the bytes that it could not take yet. */
interface Half {
  peer: Socket<Half> | undefined;
  readonly waiting: Uint8Array[];
  /** The other side has ended; this one ends once everything has been written. */
  ending: boolean;
}

/**
 * Listens on a TCP address inside a namespace and carries every connection, byte for byte, to a unix socket: so the
 * fabric reaches the API server that lives outside of it. TLS passes through untouched.
 */
export function forwardToUnixSocket(namespace: Namespace, hostname: string, port: number, path: string): () => void {
  const listener = inNamespace(namespace, () =>
    Bun.listen<Half>({ hostname, port, socket: { ...handlers, open: socket => connect(socket, path) } }),
  );
  return () => listener.stop(true);
}

const handlers = {
  data(socket: Socket<Half>, bytes: Uint8Array) {
    const { peer, waiting } = socket.data;
    if (peer === undefined) waiting.push(bytes.slice());
    else send(peer, bytes);
  },
  drain(socket: Socket<Half>) {
    flush(socket);
  },
  close(socket: Socket<Half>) {
    const { peer } = socket.data;
    if (peer === undefined) return;
    peer.data.ending = true;
    flush(peer);
  },
  error(socket: Socket<Half>) {
    socket.end();
  },
};

function connect(client: Socket<Half>, path: string): void {
  client.data = { peer: undefined, waiting: [], ending: false };
  const data: Half = { peer: client, waiting: [], ending: false };
  Bun.connect<Half>({
    unix: path,
    data,
    socket: {
      ...handlers,
      open(server) {
        // What the client sent meanwhile goes first.
        const early = client.data.waiting.splice(0);
        client.data.peer = server;
        for (const bytes of early) send(server, bytes);
      },
    },
  }).catch(() => client.end());
}

function send(to: Socket<Half>, bytes: Uint8Array): void {
  if (to.data.waiting.length > 0) {
    to.data.waiting.push(bytes.slice());
    return;
  }
  const written = to.write(bytes);
  if (written < bytes.length) to.data.waiting.push(bytes.slice(Math.max(0, written)));
}

function flush(socket: Socket<Half>): void {
  const { waiting } = socket.data;
  for (let bytes = waiting[0]; bytes !== undefined; bytes = waiting[0]) {
    const written = socket.write(bytes);
    if (written < bytes.length) {
      waiting[0] = bytes.slice(Math.max(0, written));
      return;
    }
    waiting.shift();
  }
  if (socket.data.ending) socket.end();
}
