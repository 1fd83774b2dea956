import { IPAMBlock } from '@calico/api';
import type { CalicoAgent } from './calico-agent.ts';
import { type GarbageCollector, GRACE_MS } from './garbage-collector.ts';
import { rangeOf, toAddress } from './ipv4.ts';
import type { Pod, World } from './world.ts';

/** An allocation that a pod, or nobody, has. */
interface Seen {
  readonly block: string;
  readonly address: string;
  readonly handle: string;
  readonly sequenceNumber: string;
  readonly pod: string | undefined;
  readonly node: string | undefined;
  readonly tunnel: boolean;
}

/**
 * A garbage collector as Calico's, written from the documented rules and sharing nothing with our package: an address whose pod is gone, elsewhere or reports others is a candidate,
 * believed after a grace period, or at once when its node is gone too, and looked at once more before it is released.
 */
export class CalicoCollector implements GarbageCollector {
  readonly process: CalicoAgent;
  readonly #world: World;
  readonly #since = new Map<string, number>();
  readonly #emptySince = new Map<string, number>();
  /** Its views of pods and blocks, which lag behind when watches are lost. */
  #pods: ReadonlyMap<string, Pod> | undefined;
  #blocks: readonly IPAMBlock[] | undefined;

  constructor(world: World, process: CalicoAgent) {
    this.#world = world;
    this.process = process;
  }

  async scan(): Promise<void> {
    const world = this.#world;
    if (!world.weather.lag || world.chance(0.5)) this.#blocks = undefined;
    const blocks = this.#blocks ?? (await this.process.client.list(IPAMBlock)).items;
    this.#blocks = blocks;
    const seen = blocks.filter(({ spec }) => spec.deleted !== true).flatMap(allocationsIn);
    if (!world.weather.lag || world.chance(0.5)) this.#pods = undefined;
    const pods = this.#pods ?? new Map([...world.pods].map(([name, pod]) => [name, { ...pod }]));
    this.#pods = pods;
    const believed = new Set(seen.filter(each => this.#isLeaked(each, pods)));
    // A handle gives back all it has, or nothing.
    const kept = new Set(seen.filter(each => !believed.has(each)).map(({ handle }) => handle));
    const leaked = [...believed].filter(({ handle }) => !kept.has(handle));
    for (const key of this.#since.keys()) if (!seen.some(each => keyOf(each) === key)) this.#since.delete(key);
    await this.#release(leaked);
    await this.#cleanNodes(blocks, seen);
    await this.#releaseEmpty(blocks);
  }

  #isLeaked(allocation: Seen, view: ReadonlyMap<string, Pod>): boolean {
    const { pods, nodes, wallTime } = this.#world;
    const key = keyOf(allocation);
    if (allocation.tunnel || !this.#isInvalid(allocation, view)) {
      this.#since.delete(key);
      return false;
    }
    const since = this.#since.get(key) ?? wallTime;
    this.#since.set(key, since);
    const nodeGone = !nodes.has(allocation.node ?? '');
    // Asked once more, of the server itself.
    return (nodeGone || wallTime - since > GRACE_MS) && this.#isInvalid(allocation, pods);
  }

  #isInvalid({ pod: name, node, address }: Seen, pods: ReadonlyMap<string, Pod>): boolean {
    if (name === undefined) return false;
    const pod = pods.get(name);
    return pod === undefined || pod.node !== node || (pod.ips.length > 0 && !pod.ips.includes(address));
  }

  async #release(leaked: readonly Seen[]): Promise<void> {
    const byBlock = Map.groupBy(leaked, ({ block }) => block);
    for (const [block, all] of byBlock) {
      await attempt(this.#world, () => this.process.releaseIps(block, all));
    }
  }

  /** Nodes that are gone lose their tunnels' addresses and their blocks. */
  async #cleanNodes(blocks: readonly IPAMBlock[], seen: readonly Seen[]): Promise<void> {
    const { nodes } = this.#world;
    const owners = blocks.map(({ spec }) => spec.affinity ?? '').filter(owner => owner.startsWith('host:'));
    const gone = new Set([...owners.map(owner => owner.slice(5)), ...seen.flatMap(({ node }) => node ?? [])]);
    for (const node of gone) {
      if (nodes.has(node) || seen.some(each => each.node === node && !each.tunnel)) continue;
      await this.#release(seen.filter(each => each.node === node));
      for (const { spec } of blocks.filter(({ spec }) => spec.affinity === `host:${node}`)) {
        await attempt(this.#world, () => this.#releaseAffinity(node, spec.cidr));
      }
    }
  }

  /** Of a node's blocks, those that have stood empty for long, but for one. */
  async #releaseEmpty(blocks: readonly IPAMBlock[]): Promise<void> {
    const { wallTime } = this.#world;
    for (const { spec } of blocks) {
      const empty = spec.allocations.every(index => index === null);
      const others = blocks.filter(other => other.spec.affinity === spec.affinity).length;
      const since = empty ? (this.#emptySince.get(spec.cidr) ?? wallTime) : undefined;
      if (since === undefined) this.#emptySince.delete(spec.cidr);
      else this.#emptySince.set(spec.cidr, since);
      const node = /^host:(.*)/.exec(spec.affinity ?? '')?.[1];
      if (node === undefined || since === undefined || others < 2 || wallTime - since <= GRACE_MS) continue;
      await attempt(this.#world, () => this.#releaseAffinity(node, spec.cidr));
      return;
    }
  }

  #releaseAffinity(node: string, block: string): Promise<void> {
    return this.process.releaseAffinity(node, block, true);
  }
}

/** What fails now is tried again by the next scan. */
async function attempt(world: World, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (err) {
    if ('code' in (err as object)) world.note(() => `collector: ${err}`);
    else throw err;
  }
}

function keyOf({ address, handle, sequenceNumber }: Seen): string {
  return `${address} ${handle} ${sequenceNumber}`;
}

function allocationsIn({ spec }: IPAMBlock): Seen[] {
  return spec.allocations.flatMap((index, ordinal): Seen[] => {
    const attribute = index === null ? undefined : spec.attributes[index];
    if (attribute === undefined || typeof attribute.releasedAt === 'string') return [];
    const { pod, node, type } = attribute.secondary ?? {};
    return [
      {
        block: spec.cidr,
        address: toAddress(rangeOf(spec.cidr).first + ordinal),
        handle: attribute.handle_id ?? '',
        sequenceNumber: String(spec.sequenceNumberForAllocation?.[String(ordinal)]),
        pod,
        node,
        tunnel: type !== undefined,
      },
    ];
  });
}
