import { BlockAffinity, IPAMBlock, IPAMHandle, IPPool } from '@calico/api';
import { cidr, printAddr } from '@calico/ip';
import { checkIpam } from '@calico/ipam';
import { CRASHED } from './agent.ts';
import { CalicoAgent } from './calico-agent.ts';
import { CalicoCollector } from './calico-collector.ts';
import { type GarbageCollector, GRACE_MS } from './garbage-collector.ts';
import { ownerOf } from './invariants.ts';
import { rangeOf, toAddress } from './ipv4.ts';
import { SimNode } from './node.ts';
import { OurAgent } from './our-agent.ts';
import { OurCollector } from './our-collector.ts';
import { World } from './world.ts';

/** What a run left to look at. */
export interface Run {
  readonly seed: number;
  readonly world: World;
  /** What must never happen, but did; undefined when all is well. */
  readonly failure: unknown;
}

/**
 * One run: a cluster in a storm, then calm, repair, and the proof that nothing is lost; all of it follows from the seed.
 * @param trace whether to note what happens, which takes time.
 */
export async function simulate(seed: number, trace = false): Promise<Run> {
  const world = new World(seed, trace);
  try {
    const cluster = new Cluster(world);
    await world.turns.during(cluster.storm());
    if (world.violation === undefined) await world.turns.during(cluster.calm());
    if (world.violation === undefined) await world.turns.during(cluster.end());
    return { seed, world, failure: world.violation };
  } catch (err) {
    return { seed, world, failure: world.violation ?? err };
  }
}

/** The nodes and controllers of one run. */
class Cluster {
  readonly #world: World;
  readonly #nodes: SimNode[] = [];
  /** How each collector starts, anew after a crash. Two now and then: leaders change, and the old one does not know yet. */
  readonly #collectors: readonly (() => GarbageCollector)[];
  #agents = 0;

  constructor(world: World) {
    this.#world = world;
    const blockSize = world.pick([30, 31]);
    world.pools.set('pool', newPool('pool', `10.0.0.0/${blockSize - world.pick([1, 2])}`, blockSize));
    if (world.chance(0.4)) world.pools.set('second', newPool('second', `10.0.1.0/${blockSize - 1}`, blockSize));
    world.config = {
      strictAffinity: world.chance(0.3),
      autoAllocateBlocks: true,
      ipCooldownSeconds: world.chance(0.3) ? 30 : 0,
    };
    for (let i = 0; i < 3; i++) this.#nodes.push(this.#node(`node-${i}`));
    this.#collectors = Array.from({ length: world.chance(0.3) ? 2 : 1 }, () => {
      const ours = world.chance(0.7);
      return () => (ours ? this.#ourCollector() : new CalicoCollector(world, this.#calico('gc')));
    });
  }

  /** A node with our agent, with Calico's, or one that passes from one to the other. */
  #node(name: string): SimNode {
    const world = this.#world;
    const kind = world.pick(['ours', 'ours', 'calico', 'mixed'] as const);
    const calico = () => kind === 'calico' || (kind === 'mixed' && world.chance(0.5));
    return new SimNode(world, name, () => (calico() ? this.#calico(name) : this.#ours(name)));
  }

  /** Everybody works, and everything that can happen does. */
  async storm(): Promise<void> {
    const world = this.#world;
    world.weather = { trouble: world.pick([0, 0.03, 0.1]), crash: world.pick([0, 0.005, 0.02]), lag: true };
    await Promise.all([
      ...this.#nodes.map(node => node.live(4)),
      this.#tunnels(),
      ...this.#collectors.map(open => this.#collect(open, 5)),
      this.#administer(),
      this.#time(),
    ]);
  }

  /** The faults stop; the controllers run until a grace period is over. Then IPAM says what the cluster is, and no more. */
  async calm(): Promise<void> {
    const world = this.#world;
    world.weather = { trouble: 0, crash: 0, lag: false };
    world.note(() => 'calm');
    for (const { name } of this.#nodes) await this.#askForTunnel(name);
    await this.#repair();
    const expected = [...world.ledger.entries].map(([address, { handle }]) => `${address} ${handle}`).sort();
    const actual = world.store
      .all(IPAMBlock)
      .flatMap(({ spec }) => addressesIn(spec.cidr, world))
      .sort();
    if (actual.join() !== expected.join()) {
      throw new Error(`after repair IPAM has\n  ${actual.join('\n  ')}\nbut there live\n  ${expected.join('\n  ')}`);
    }
    const state = {
      pools: world.settings().pools,
      blocks: world.store.all(IPAMBlock),
      affinities: world.store.all(BlockAffinity),
      handles: world.store.all(IPAMHandle),
    };
    const findings = checkIpam(state).filter(({ kind }) => !TOLERATED.has(kind));
    if (findings.length > 0) throw new Error(`after repair: ${JSON.stringify(findings, undefined, 1)}`);
  }

  /** All pods and nodes go: nothing stays. */
  async end(): Promise<void> {
    const world = this.#world;
    world.note(() => 'the end');
    for (const node of this.#nodes) {
      if (!world.nodes.has(node.name)) continue;
      if (world.chance(0.5)) await node.drain();
      node.destroy();
    }
    await this.#repair();
    for (const kind of [IPAMBlock, BlockAffinity, IPAMHandle] as const) {
      for (const { metadata, spec } of world.store.all<IPAMBlock | BlockAffinity | IPAMHandle>(kind as never)) {
        if (spec.deleted !== true) throw new Error(`${kind.kind}(${metadata.name}) is left over: ${print(spec)}`);
      }
    }
  }

  /** What the controllers do in four rounds: suspects, releases, handles that count too many, and these found twice. */
  async #repair(): Promise<void> {
    const world = this.#world;
    const collector = this.#ourCollector();
    for (let round = 0; round < 4; round++) {
      world.advance(GRACE_MS + 60_000);
      await collector.scan();
    }
  }

  #ourCollector(): OurCollector {
    return new OurCollector(this.#world, this.#ours('gc'));
  }

  #ours(name: string): OurAgent {
    return new OurAgent(this.#world, `${name}/${this.#agents++}`);
  }

  #calico(name: string): CalicoAgent {
    return new CalicoAgent(this.#world, `${name}/calico-${this.#agents++}`);
  }

  /** Nodes ask for their tunnel's address now and then. */
  async #tunnels(): Promise<void> {
    const world = this.#world;
    for (let i = 0; i < 3; i++) {
      await this.#askForTunnel(world.pick(this.#nodes).name);
    }
  }

  async #askForTunnel(node: string): Promise<void> {
    const world = this.#world;
    const asking = world.nodes.get(node);
    if (asking === undefined) return;
    const noted = asking.tunnel;
    const agent = this.#ours(node);
    const who = `tunnel of ${node}`;
    world.ledger.take(who);
    await attempt(async () => {
      const given = await agent.run(() =>
        agent.ipam.ensureTunnelAddress({ node, kind: 'vxlan', nodeLabels: {}, noted }),
      );
      if (given === CRASHED || given === undefined || world.nodes.get(node) !== asking) return;
      const address = printAddr(given);
      asking.tunnel = address;
      // Two may have asked, and have the same.
      world.ledger.take(who);
      world.judge(() => world.ledger.give(address, { who, handle: `vxlan-tunnel-addr-${node}` }));
    });
  }

  async #collect(open: () => GarbageCollector, scans: number): Promise<void> {
    let collector = open();
    for (let i = 0; i < scans; i++) {
      await this.#pause(10);
      if (collector.process.crashed) collector = open();
      await attempt(() => collector.process.run(() => collector.scan()));
    }
  }

  /** An administrator: pools off and on and gone, affinities given up, nodes deleted, strictness changed. */
  async #administer(): Promise<void> {
    const world = this.#world;
    const [pool] = world.pools.values();
    for (let i = 0; i < 2; i++) {
      await this.#pause(30);
      const act = world.pick(['disable', 'delete pool', 'release', 'delete node', 'strict', 'nothing'] as const);
      world.note(() => `administrator: ${act}`);
      const { name } = world.pick(this.#nodes);
      const admin = this.#ours('admin');
      if (act === 'disable' && pool !== undefined) {
        world.pools.set('pool', { ...pool, spec: { ...pool.spec, disabled: true } });
        await this.#pause(20);
        world.pools.set('pool', pool);
      }
      if (act === 'delete pool' && pool !== undefined) {
        world.pools.set('pool', { ...pool, spec: { ...pool.spec, disabled: true } });
        await attempt(() => admin.run(() => admin.ipam.releasePoolAffinities(cidr(pool.spec.cidr))));
        world.pools.delete('pool');
        if (world.chance(0.5)) world.pools.set('pool', pool);
      }
      if (act === 'release') {
        const requireEmpty = world.chance(0.5);
        await attempt(() => admin.run(() => admin.ipam.releaseAffinity({ node: name, requireEmpty })));
      }
      if (act === 'delete node') await this.#deleteNode(name);
      if (act === 'strict') world.config = { ...world.config, strictAffinity: !world.config.strictAffinity };
    }
  }

  /** The node goes with all that ran there; its object may come back at once, of a machine that runs on. */
  async #deleteNode(name: string): Promise<void> {
    const world = this.#world;
    this.#nodes.find(node => node.name === name)?.destroy();
    if (world.chance(0.5)) return;
    await this.#pause(20);
    world.note(() => `node ${name} is back`);
    world.nodes.set(name, { labels: {} });
    await this.#askForTunnel(name);
  }

  /** Time passes, mostly little, now and then much. */
  async #time(): Promise<void> {
    for (let i = 0; i < 8; i++) {
      await this.#pause(12);
      this.#world.advance(this.#world.pick([1000, 20_000, 70_000, 1_000_000]));
    }
  }

  async #pause(turns: number): Promise<void> {
    for (let i = this.#world.random.next() * turns; i > 0; i--) await this.#world.turns.next();
  }
}

/** Settled by whoever uses the block next, and not by a controller. */
const TOLERATED = new Set(['affinity', 'outOfPool']);

async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (err) {
    if (!('code' in (err as object))) throw err;
  }
}

function addressesIn(block: string, { store }: World): string[] {
  const { first, size } = rangeOf(block);
  const found = store.all(IPAMBlock).find(({ spec }) => spec.cidr === block && spec.deleted !== true);
  return Array.from({ length: size }, (_, ordinal) => ordinal).flatMap(ordinal => {
    const handle = ownerOf(found, ordinal);
    return handle === undefined ? [] : [`${toAddress(first + ordinal)} ${handle}`];
  });
}

function newPool(name: string, range: string, blockSize: number): IPPool {
  const { apiVersion, kind } = IPPool;
  return { apiVersion, kind, metadata: { name }, spec: { cidr: range, blockSize, vxlanMode: 'Always' } };
}

function print(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? String(part) : part));
}
