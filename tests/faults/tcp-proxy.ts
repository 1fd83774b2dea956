import { connect, createServer, type Socket } from 'node:net';

/** What happens to the bytes of every connection: passed on, or kept back: in both directions, or answers alone. */
export type ProxyMode = 'pass' | 'hold' | 'hold-answers';

/** A TCP proxy in front of a server, with the troubles of a network. */
export interface TcpProxy {
  readonly port: number;
  /** From now on; what was held goes on its way with `pass`. */
  mode(mode: ProxyMode): void;
  /** What sends the answers on that `hold-answers` keeps back now, not those that come later. */
  heldAnswers(): () => void;
  /** Every piece of an answer arrives so much later; ms. */
  delay(ms: number): void;
  /** Cuts the connection over which the given number of further bytes has come, in their midst. */
  cutAfter(bytes: number): void;
  /**
   * Once so many further bytes of answers have come, no question goes on its way until `release`. Resolves when the first one
   * waits: the client has read a whole answer then, and asks for the next.
   */
  holdQuestionsAfter(bytes: number): Promise<void>;
  release(): void;
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
  /** Bytes of answers until questions are held, and whom to tell of the first that is. */
  let trigger: { left: number; held(): void } | undefined;
  const questions: (() => void)[] = [];
  const answers: (() => void)[] = [];

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
    client.on('data', chunk => {
      if (trigger === undefined || trigger.left > 0) {
        server.write(chunk);
        return;
      }
      questions.push(() => server.write(chunk));
      trigger.held();
    });
    server.on('data', (chunk: Buffer) => {
      if (trigger !== undefined) trigger.left -= chunk.length;
      if (mode === 'hold-answers') {
        answers.push(() => client.write(chunk));
        return;
      }
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
    holdQuestionsAfter: bytes =>
      new Promise(resolve => {
        trigger = { left: bytes, held: resolve };
      }),
    release: () => {
      trigger = undefined;
      for (const send of questions.splice(0)) send();
    },
    heldAnswers: () => {
      const count = answers.length;
      return () => {
        for (const send of answers.splice(0, count)) send();
      };
    },
    mode: next => {
      mode = next;
      for (const send of answers.splice(0)) send();
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
