import type { Machine, Namespace } from '../kernel.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeNet } from './net.ts';
import { refuse } from './refuse.ts';

class FakeNamespace implements Namespace {
  readonly fd: number;
  readonly path: string | undefined;
  readonly machine: FakeMachine;
  readonly net: FakeNet;

  constructor(fd: number, path: string | undefined, machine: FakeMachine, net: FakeNet) {
    this.fd = fd;
    this.path = path;
    this.machine = machine;
    this.net = net;
  }

  close(): void {
    // An object in memory ends with its last reference.
  }
}

/** A machine in memory: namespaces by path, links that reach from one into the other. */
export class FakeMachine implements Machine {
  readonly #home = new FakeNet();
  #current = this.#home;
  readonly #pinned = new Map<string, FakeNet>();
  readonly #ids = new Map<FakeNet, number>();
  #lastFd = 100;
  #lastMac = 0;

  openNamespace(path: string): Namespace {
    const net = this.#pinned.get(path) ?? refuse(`open namespace ${path}`, 'ENOENT');
    return new FakeNamespace(++this.#lastFd, path, this, net);
  }

  currentNamespace(): Namespace {
    return new FakeNamespace(++this.#lastFd, undefined, this, this.#current);
  }

  createNamespace(path: string): Namespace {
    if (this.#pinned.has(path)) refuse(`create namespace ${path}`, 'EEXIST');
    this.#pinned.set(path, new FakeNet());
    return this.openNamespace(path);
  }

  deleteNamespace(path: string): void {
    if (!this.#pinned.delete(path)) refuse(`delete namespace ${path}`, 'ENOENT');
  }

  inNamespace<T>(namespace: Namespace, work: () => T extends PromiseLike<unknown> ? never : T): T {
    const before = this.#current;
    this.#current = this.netOf(namespace, 'enter namespace');
    try {
      return work();
    } finally {
      this.#current = before;
    }
  }

  openKernel(options: { namespace?: Namespace } = {}): FakeKernel {
    const { namespace } = options;
    return new FakeKernel(namespace ? this.netOf(namespace, 'open kernel') : this.#current, this);
  }

  /** The state behind a namespace of this machine; EINVAL for another machine's. */
  netOf(namespace: Namespace, op: string): FakeNet {
    const ours = namespace instanceof FakeNamespace && namespace.machine === this;
    return ours ? namespace.net : refuse(op, 'EINVAL', 'not a namespace of this machine');
  }

  /** The id by which links name the namespace of their peer. */
  namespaceId(net: FakeNet): number {
    const id = this.#ids.get(net) ?? this.#ids.size;
    this.#ids.set(net, id);
    return id;
  }

  /** A MAC for a link that asks for none: locally administered, counted up. */
  nextMac(): string {
    const number = ++this.#lastMac;
    return `02:00:00:00:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 0xff).toString(16).padStart(2, '0')}`;
  }
}
