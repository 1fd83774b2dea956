import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';
import type { Socket } from 'bun';

/** One end of a forwarded connection. */
interface End {
  /** The other end, once it is connected. */
  peer: Socket<End> | undefined;
  /** What came from here before there was a peer. */
  readonly early: Uint8Array[];
  /** What has to be written here and could not be taken yet. */
  readonly waiting: Uint8Array[];
  /** Whether it still speaks, has said all, or is closed. */
  is: 'speaking' | 'silent' | 'closed';
}

/** A forwarder that listens. */
export interface Forwarder {
  readonly port: number;
  stop(): void;
}

/**
 * Listens on a TCP address inside a namespace and carries every connection, byte for byte, to a unix socket: so the
 * fabric reaches the API server that lives outside of it. TLS passes through untouched.
 */
export function forwardToUnixSocket(namespace: Namespace, hostname: string, port: number, path: string): Forwarder {
  return inNamespace(namespace, () => startForwarder(hostname, port, path));
}

/**
 * The same in the namespace that the process is in. A side that reads slowly slows the other one down, a side that has
 * said all (half close) still hears the other out.
 */
export function startForwarder(hostname: string, port: number, path: string): Forwarder {
  const listener = Bun.listen<End>({
    hostname,
    port,
    allowHalfOpen: true,
    socket: { ...handlers, open: socket => connect(socket, path) },
  });
  return { port: listener.port, stop: () => listener.stop(true) };
}

function newEnd(peer: Socket<End> | undefined): End {
  return { peer, early: [], waiting: [], is: 'speaking' };
}

const handlers = {
  data(socket: Socket<End>, bytes: Uint8Array) {
    const { peer, early } = socket.data;
    if (peer === undefined) early.push(bytes.slice());
    else if (!send(peer, bytes)) socket.pause();
  },
  drain(socket: Socket<End>) {
    flush(socket);
    if (socket.data.waiting.length === 0) socket.data.peer?.resume();
  },
  end(socket: Socket<End>) {
    socket.data.is = 'silent';
    if (socket.data.peer !== undefined) follow(socket.data.peer);
  },
  close(socket: Socket<End>) {
    socket.data.is = 'closed';
    if (socket.data.peer !== undefined) follow(socket.data.peer);
  },
  error(socket: Socket<End>) {
    socket.terminate();
  },
};

function connect(client: Socket<End>, path: string): void {
  client.data = newEnd(undefined);
  Bun.connect<End>({
    unix: path,
    data: newEnd(client),
    allowHalfOpen: true,
    socket: {
      ...handlers,
      open(server) {
        client.data.peer = server;
        for (const bytes of client.data.early.splice(0)) send(server, bytes);
        follow(server);
      },
    },
  }).catch(() => client.terminate());
}

/** Writes what comes next; false when it has to wait. */
function send(to: Socket<End>, bytes: Uint8Array): boolean {
  to.data.waiting.push(bytes);
  flush(to);
  // The bytes are the runtime's, which writes over them once the event has been handled.
  if (to.data.waiting.length === 0) return true;
  to.data.waiting.push((to.data.waiting.pop() ?? bytes).slice());
  return false;
}

function flush(socket: Socket<End>): void {
  const { waiting } = socket.data;
  for (let bytes = waiting[0]; bytes !== undefined; bytes = waiting[0]) {
    const written = socket.write(bytes);
    if (written < bytes.length) {
      waiting[0] = bytes.subarray(Math.max(0, written));
      return;
    }
    waiting.shift();
  }
  follow(socket);
}

/** An end that has written all does as its peer did: says no more, or closes. */
function follow(end: Socket<End>): void {
  const { peer, waiting, is } = end.data;
  if (waiting.length > 0 || is === 'closed' || peer === undefined) return;
  if (peer.data.is === 'silent') end.shutdown();
  if (peer.data.is === 'closed') end.end();
}
