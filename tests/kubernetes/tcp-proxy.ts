import { connect, createServer, type Socket } from 'node:net';

/** What happens to the bytes of every connection: passed on, kept back in both directions, or answers lost for ever. */
export type ProxyMode = 'pass' | 'hold' | 'lose-answers';

/** A TCP proxy in front of a server, with the troubles of a network. */
export interface TcpProxy {
  readonly port: number;
  /** Bytes that have come from the server so far. */
  readonly answered: number;
  /** From now on; what was held goes on its way with `pass`. */
  mode(mode: ProxyMode): void;
  /** Every piece of an answer arrives so much later; ms. */
  delay(ms: number): void;
  /** Cuts the connection over which the given number of further bytes has come, in their midst. */
  cutAfter(bytes: number): void;
  /** Cuts every connection. */
  cut(): void;
  stop(): Promise<void>;
}

/** Starts one on a free port of 127.0.0.1, before a port of 127.0.0.1. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
  let mode: ProxyMode = 'pass';
  let delayMs = 0;
  let left = Number.POSITIVE_INFINITY;
  let answered = 0;

  const listener = createServer(client => {
    const server = connect(target, '127.0.0.1');
    const pair = { client, server };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.on('error', end);
      socket.on('close', end);
    }
    if (mode === 'hold') for (const socket of [client, server]) socket.pause();
    client.on('data', chunk => server.write(chunk));
    server.on('data', (chunk: Buffer) => {
      answered += chunk.length;
      if (mode === 'lose-answers') return;
      if (chunk.length >= left) {
        client.write(chunk.subarray(0, left), end);
        left = Number.POSITIVE_INFINITY;
        return;
      }
      left -= chunk.length;
      if (delayMs === 0) client.write(chunk);
      else setTimeout(() => client.write(chunk), delayMs);
    });
  });
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  const cut = (): void => {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get answered() {
      return answered;
    },
    mode: next => {
      mode = next;
      for (const { client, server } of pairs) {
        for (const socket of [client, server]) mode === 'hold' ? socket.pause() : socket.resume();
      }
    },
    delay: ms => {
      delayMs = ms;
    },
    cutAfter: bytes => {
      left = bytes;
    },
    cut,
    stop: () =>
      new Promise(resolve => {
        listener.close(() => resolve());
        cut();
      }),
  };
}
