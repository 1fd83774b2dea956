import {
  IPAMBlock,
  type IPAMConfiguration,
  IPAMHandle,
  type IPPool,
  type Kind,
  Node,
  Pod as PodKind,
  type Resource,
} from '@calico/api';
import { type Client, DatastoreError, type ObjectKey } from '@calico/datastore';
import { type Settings, toSettings } from '@calico/ipam';
import { type Fate, Turns } from '@calico/ipam/testing';
import { type Clock, type Random, randomInt, seededRandom } from '@calico/reconcile';
import { checkCounts, checkWrite } from './invariants.ts';
import { Ledger } from './ledger.ts';
import { type OnWrite, SimStore } from './sim-store.ts';

/** A pod as the API server has it. */
export interface Pod {
  readonly name: string;
  readonly node: string;
  /** As its status says; empty while none is reported. */
  ips: readonly string[];
  /** The container that its status names; empty while it names none. */
  container: string;
}

/** How often what happens to an operation, of all operations. */
export interface Weather {
  /** Writes: the answer is lost, comes late, the request is lost, or it is refused. */
  readonly trouble: number;
  /** Chance of a crash of the process, per operation. */
  readonly crash: number;
  /** Whether watches are lost, so that views are old. */
  readonly lag: boolean;
}

/** A run needs some hundreds. */
const MAX_OPERATIONS = 10_000;

/** A node as the API has it. */
export interface SimNodeObject {
  readonly labels: Record<string, string>;
  /** What it says the address of its tunnel is. */
  tunnel?: string;
}

/** What one run is about: the datastore, the cluster around it, time, chance, and whose turn it is. */
export class World {
  readonly random: Random;
  readonly turns: Turns;
  readonly ledger = new Ledger();
  readonly store: SimStore;
  readonly nodes = new Map<string, SimNodeObject>();
  readonly pods = new Map<string, Pod>();
  /** Names and containers are never the same again. */
  podsSoFar = 0;
  readonly pools = new Map<string, IPPool>();
  /** What happened, for a person who replays the run. */
  readonly trace: string[] = [];
  config: IPAMConfiguration['spec'] = { strictAffinity: false, autoAllocateBlocks: true };
  weather: Weather = { trouble: 0, crash: 0, lag: false };
  /** Handles that a Calico may have taken back although the block was written: it does so when an answer is lost. */
  readonly uncounted = new Set<string>();
  /** What must never happen, but did. */
  violation: unknown;
  readonly #tracing: boolean;
  readonly #watchers: OnWrite[] = [];
  #operations = 0;
  #wallTime = Date.UTC(2026, 0, 1);

  constructor(seed: number, tracing: boolean) {
    this.#tracing = tracing;
    this.random = seededRandom(seed);
    this.turns = new Turns(this.random);
    this.store = new SimStore((before, after) => this.#written(before, after));
  }

  get wallTime(): number {
    return this.#wallTime;
  }

  advance(ms: number): void {
    this.#wallTime += ms;
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[randomInt(this.random, items.length)];
    if (item === undefined) throw new Error('Cannot pick from nothing');
    return item;
  }

  note(text: () => string): void {
    if (this.#tracing) this.trace.push(text());
  }

  /** The settings as they are now. */
  settings(): Settings {
    const config = { apiVersion: '', kind: '', metadata: { name: 'default' }, spec: this.config };
    return toSettings([...this.pools.values()], config, []);
  }

  /** A clock that is off by a fixed span. Who waits on it, waits for his turn: time is moved by others. */
  clock(skewMs: number): Clock {
    const never = (): never => {
      throw new Error('IPAM is not expected to set timers');
    };
    const wallTime = () => this.#wallTime + skewMs;
    return { now: wallTime, wallTime, sleep: this.turns.next, setTimeout: never, setInterval: never };
  }

  /** What becomes of an operation in this weather. */
  fate(write: boolean): Fate {
    if (++this.#operations > MAX_OPERATIONS) this.judge(() => fail(`no end after ${MAX_OPERATIONS} operations`));
    const { trouble } = this.weather;
    if (!write) return this.chance(trouble / 4) ? 'refused' : 'done';
    return this.chance(trouble) ? this.pick(['lost', 'lost', 'late', 'never', 'refused']) : 'done';
  }

  /** The servers as a Client: IPAM's objects, and pods and nodes to look up. What the simulation has no use for is missing. */
  get client(): Client {
    const { store } = this;
    const client: Pick<Client, 'get' | 'list' | 'create' | 'update' | 'delete'> = {
      get: (kind, key) => (isIpam(kind) ? store.get(kind, key) : this.#clusterObject(kind, key)),
      list: (kind, options) => store.list(kind, options),
      create: (kind, object) => store.create(kind, object),
      update: (kind, object) => store.update(kind, object),
      delete: (kind, key, preconditions) => store.delete(kind, key, preconditions),
    };
    return client as Client;
  }

  /** Calls after each write. */
  onWrite(call: OnWrite): void {
    this.#watchers.push(call);
  }

  async #clusterObject<R extends Resource>(kind: Kind<R>, { name }: ObjectKey): Promise<R> {
    const pod = this.pods.get(name);
    if (kind.kind === PodKind.kind && pod !== undefined) return podResource(pod) as Resource as R;
    if (kind.kind === Node.kind && this.nodes.has(name)) {
      return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} } as Resource as R;
    }
    throw new DatastoreError({ code: 'NotFound', op: 'get', resource: `${kind.kind}(${name})`, reason: 'NotFound' });
  }

  #written(before: Resource | undefined, after: Resource | undefined): void {
    for (const watcher of this.#watchers) watcher(before, after);
    const is = after ?? before;
    if (is?.kind !== IPAMBlock.kind && is?.kind !== IPAMHandle.kind) return;
    const blocks = this.store.all(IPAMBlock);
    this.judge(() => {
      if (is.kind === IPAMBlock.kind) {
        checkWrite(before as IPAMBlock | undefined, after as IPAMBlock | undefined, this.ledger, blocks);
      }
      const handles = new Map(this.store.all(IPAMHandle).map(handle => [handle.metadata.name, handle]));
      checkCounts(blocks, handles, this.uncounted);
    });
  }

  /** Remembers the first violation, as those in between may swallow the error. */
  judge(check: () => void): void {
    try {
      check();
    } catch (err) {
      this.violation ??= err;
      throw err;
    }
  }
}

function fail(text: string): never {
  throw new Error(text);
}

function isIpam({ kind }: Pick<Kind, 'kind'>): boolean {
  return kind !== PodKind.kind && kind !== Node.kind;
}

/** A pod as the API of Kubernetes shows it. */
export function podResource({ name, node, ips }: Pod): PodKind {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName: node, containers: [] },
    status: { podIPs: ips.map(ip => ({ ip })) },
  };
}
