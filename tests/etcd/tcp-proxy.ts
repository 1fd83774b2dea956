import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a server on loopback, and can spoil the connection in the ways that networks do. */
export class TcpProxy {
  readonly #server: Server;
  readonly #target: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #port = 0;
  /** Bytes are taken and thrown away, in both directions or only on the way back. */
  #swallow: 'none' | 'answers' | 'all' = 'none';
  /** Questions wait here while they are held back. */
  #held: (() => void)[] | undefined;
  /** An answer with this text in it makes questions wait from then on. */
  #trigger: { readonly text: string; seen(): void } | undefined;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer(near => this.#accept(near));
  }

  /** Listens on a free port and forwards to a port of 127.0.0.1. */
  static start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    return new Promise((resolve, reject) => {
      proxy.#server.on('error', reject);
      proxy.#server.listen(0, '127.0.0.1', () => {
        const address = proxy.#server.address();
        proxy.#port = typeof address === 'object' && address !== null ? address.port : 0;
        resolve(proxy);
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Half-open: what was connected stays so, but nothing comes through any more. */
  swallow(what: 'none' | 'answers' | 'all'): void {
    this.#swallow = what;
  }

  /** Lets the next answer with a text in it through, then no more questions until `release`. Resolves at that answer. */
  holdAfter(text: string): Promise<void> {
    return new Promise(resolve => {
      this.#trigger = { text, seen: resolve };
    });
  }

  /** Sends what was held back, and holds nothing back any more. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const send of held) send();
  }

  /** Cuts all connections in the middle. */
  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    this.#pairs.clear();
  }

  stop(): Promise<void> {
    this.cut();
    return new Promise(resolve => {
      this.#server.close(() => resolve());
    });
  }

  #accept(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1');
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    near.on('data', bytes => {
      if (this.#swallow === 'all') return;
      if (this.#held === undefined) far.write(bytes);
      else this.#held.push(() => far.write(bytes));
    });
    far.on('data', bytes => {
      if (this.#trigger !== undefined && bytes.includes(this.#trigger.text)) {
        this.#held ??= [];
        this.#trigger.seen();
        this.#trigger = undefined;
      }
      if (this.#swallow === 'none') near.write(bytes);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
  }
}
