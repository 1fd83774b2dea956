import { IPAMBlock } from '@calico/api';
import { CRASHED, type Process } from './agent.ts';
import { ownerOf } from './invariants.ts';
import { rangeOf, toNumber } from './ipv4.ts';
import type { Pod, World } from './world.ts';

/** After so long a runtime gives up an ADD, in milliseconds. */
const ADD_TIMEOUT_MS = 240_000;
const ATTEMPTS = 2;
/** How many turns a write waits for that its writer gave up. */
const LATE_TURNS = 5;

/** Whatever gives out addresses on a node: our agent, or one that works as Calico's. */
export interface Allocator extends Process {
  /** IPv4 addresses, as text: as many as wanted, where it can give more than one. Throws when there are too few. */
  add(pod: Pod, handle: string, wanted: number): Promise<readonly string[]>;
  /** Releases what a handle has; nothing happens when it has nothing. */
  del(handle: string): Promise<void>;
}

interface Running {
  readonly pod: Pod;
  readonly handle: string;
}

/** A node: its kubelet and runtime start and stop pods through whichever process serves CNI there. */
export class SimNode {
  readonly name: string;
  readonly #world: World;
  readonly #open: () => Allocator;
  #agents: Allocator[];
  readonly #running: Running[] = [];
  #gone = false;

  /** @param open starts the node's agent, anew after a crash. */
  constructor(world: World, name: string, open: () => Allocator) {
    this.name = name;
    this.#world = world;
    this.#open = open;
    this.#agents = [open()];
    world.nodes.set(name, { labels: {} });
  }

  /** Lives for some steps: pods come and go, several at once, agents are replaced. */
  async live(steps: number): Promise<void> {
    const world = this.#world;
    for (let step = 0; step < steps && !this.#gone; step++) {
      if (world.chance(0.12)) this.upgrade();
      if (this.#running.length > 0 && world.chance(0.4)) await this.#stop();
      else await Promise.all(Array.from({ length: world.chance(0.3) ? 3 : 1 }, () => this.#start()));
    }
  }

  /** A new agent starts while the old one still serves; a third takes the place of the first. */
  upgrade(): void {
    this.#agents = [...this.#agents.slice(-1), this.#open()];
  }

  /** All pods end properly. */
  async drain(): Promise<void> {
    while (this.#running.length > 0) await this.#stop();
  }

  /** The machine is lost, and with it all that ran there; nobody releases anything. */
  destroy(): void {
    const { ledger, nodes, pods } = this.#world;
    this.#world.note(() => `node ${this.name} is deleted`);
    this.#gone = true;
    for (const agent of this.#agents) agent.kill();
    for (const { pod } of this.#running.splice(0)) ledger.take(pod.name);
    for (const pod of [...pods.values()]) if (pod.node === this.name) pods.delete(pod.name);
    ledger.take(`tunnel of ${this.name}`);
    nodes.delete(this.name);
  }

  /** One of the agents that are up; a dead one is restarted. */
  agent(): Allocator {
    this.#agents = this.#agents.filter(agent => !agent.crashed);
    if (this.#agents.length === 0) this.#agents = [this.#open()];
    return this.#world.pick(this.#agents);
  }

  async #start(): Promise<void> {
    const world = this.#world;
    const pod: Pod = { name: `${this.name}-pod-${world.podsSoFar++}`, node: this.name, ips: [], container: '' };
    world.pods.set(pod.name, pod);
    for (let attempt = 0; attempt < ATTEMPTS && !this.#gone; attempt++) {
      const handle = `net.${pod.name}-${attempt}`;
      if (await this.#add(pod, handle)) {
        this.#running.push({ pod, handle });
        return;
      }
      // A runtime cleans up after itself, unless it died too.
      if (!this.#gone && world.chance(0.8)) await this.#del(pod, handle, 2);
    }
    if (!this.#gone) world.pods.delete(pod.name);
  }

  /** CNI ADD: an address, then the pod's status, then the answer. False when it failed, for whatever reason. */
  async #add(pod: Pod, handle: string): Promise<boolean> {
    const world = this.#world;
    const agent = this.agent();
    const began = world.wallTime;
    const before = pod.container;
    try {
      const addresses = await agent.run(() => agent.add(pod, handle, world.chance(0.2) ? 2 : 1));
      if (addresses === CRASHED) return false;
      const reported = await agent.run(() => this.#report(agent, pod, [before, handle], addresses));
      if (reported === CRASHED || this.#gone || world.wallTime - began > ADD_TIMEOUT_MS) return false;
      for (const address of addresses) {
        world.judge(() => {
          world.ledger.give(address, { who: pod.name, handle });
          const block = world.store.all(IPAMBlock).find(({ spec }) => contains(spec.cidr, address));
          const owner = block && ownerOf(block, toNumber(address) - rangeOf(block.spec.cidr).first);
          if (owner !== handle) throw new Error(`${address} is given to ${pod.name}, but handle "${owner}" has it`);
        });
      }
      world.note(() => `${pod.name} lives with ${addresses.join(', ')}`);
      return true;
    } catch (err) {
      world.note(() => `ADD of ${handle} fails: ${err}`);
      if (!('code' in (err as object))) throw err;
      return false;
    }
  }

  async #stop(): Promise<void> {
    const world = this.#world;
    const [ended] = this.#running.splice(Math.floor(world.random.next() * this.#running.length), 1);
    if (ended === undefined) return;
    const { pod, handle } = ended;
    world.ledger.take(pod.name);
    world.note(() => `${pod.name} ends`);
    // Now and then a pod is deleted by force, and its runtime never hears of it.
    if (!world.chance(0.1)) await this.#del(pod, handle, 20);
    world.pods.delete(pod.name);
  }

  /** CNI DEL, tried again as kubelets do. */
  async #del(pod: Pod, handle: string, tries: number): Promise<void> {
    for (let i = 0; i < tries && !this.#gone; i++) {
      const agent = this.agent();
      try {
        if ((await agent.run(() => agent.del(handle))) === CRASHED) continue;
        if ((await agent.run(() => this.#report(agent, pod, [handle], []))) !== CRASHED) return;
      } catch (err) {
        this.#world.note(() => `DEL of ${handle} fails: ${err}`);
        if (!('code' in (err as object))) throw err;
      }
    }
  }

  /**
   * Writes the pod's status, if it names one of the containers known to the writer, as the server compares it. What a dead process,
   * or one that gave up, had under way may arrive late.
   */
  async #report(agent: Process, pod: Pod, known: readonly string[], ips: readonly string[]): Promise<void> {
    const world = this.#world;
    const write = (): boolean => {
      if (!known.includes(pod.container)) return false;
      pod.ips = ips;
      pod.container = known.at(-1) ?? '';
      return true;
    };
    await world.turns.next();
    const fate = agent.crashed ? world.pick(['late', 'unsent'] as const) : world.fate(true);
    if (fate === 'late') void this.#later(write);
    const written = (fate === 'done' || fate === 'lost') && write();
    if (fate !== 'done') throw Object.assign(new Error(`status of ${pod.name}: ${fate}`), { code: 'Unavailable' });
    if (!written) throw Object.assign(new Error(`status of ${pod.name}: another container`), { code: 'Conflict' });
  }

  async #later(write: () => boolean): Promise<void> {
    for (let i = 0; i < LATE_TURNS; i++) await this.#world.turns.next();
    write();
  }
}

function contains(cidr: string, address: string): boolean {
  const { first, size } = rangeOf(cidr);
  const value = toNumber(address);
  return value >= first && value < first + size;
}
