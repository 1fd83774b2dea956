import { BlockAffinity, IPAMBlock, IPAMHandle, Node } from '@calico/api';
import {
  type ClusterView,
  collectGarbage,
  find,
  HandleSweep,
  IpamCollector,
  type NodeFacts,
  type PodFacts,
  podFacts,
  readCluster,
} from '@calico/controllers';
import { type GarbageCollector, GRACE_MS } from './garbage-collector.ts';
import type { OurAgent } from './our-agent.ts';
import { Watch } from './watch.ts';
import { podResource, type World } from './world.ts';

/** Our garbage collector: the product's own, behind watches that lag and on the way to servers that fail. */
export class OurCollector implements GarbageCollector {
  readonly process: OurAgent;
  readonly #world: World;
  readonly #core = new IpamCollector();
  readonly #sweep = new HandleSweep();
  readonly #blocks: Watch<IPAMBlock>;
  readonly #affinities: Watch<BlockAffinity>;
  #pods = new Map<string, PodFacts>();
  #nodes = new Set<string>();
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(world: World, process: OurAgent) {
    this.#world = world;
    this.process = process;
    this.#blocks = new Watch(world, IPAMBlock, {
      set: block => this.#core.setBlock(block),
      gone: name => this.#core.deleteBlock(name),
    });
    this.#affinities = new Watch(world, BlockAffinity, {
      set: affinity => this.#core.setAffinity(affinity),
      gone: name => this.#core.deleteAffinity(name),
    });
    // Nothing is looked at before every watch has listed.
    for (const watch of [this.#blocks, this.#affinities]) watch.catchUp(false);
    this.#seePods();
    this.#seeNodes();
  }

  async scan(): Promise<void> {
    const world = this.#world;
    const { client, ipam } = this.process;
    const lags = () => world.weather.lag && world.chance(0.5);
    this.#blocks.catchUp(lags());
    this.#affinities.catchUp(lags());
    if (!lags()) this.#seePods();
    if (!lags()) this.#seeNodes();
    if (!lags()) this.#core.markAllDirty();
    const view: ClusterView = {
      pod: (_namespace, name) => this.#pods.get(name),
      node: name => factsOf(name, this.#nodes.has(name)),
      vm: () => undefined,
    };
    const note = (fields: object, message: string) =>
      world.note(() => `collector: ${message} ${JSON.stringify(fields)}`);
    try {
      await collectGarbage(
        this.#core,
        view,
        { leakGracePeriodMs: GRACE_MS, cooldownMs: 1000 * (world.config.ipCooldownSeconds ?? 0) },
        {
          ipam,
          readCluster: readCluster(client, {
            read: async name => factsOf(name, (await find(() => client.get(Node, { name }))) !== undefined),
          }),
          clock: world.clock(0),
          log: { debug: note, info: note, warn: note },
          signal: new AbortController().signal,
          reclaimed: () => {},
        },
      );
    } finally {
      await this.#sweepHandles();
    }
  }

  async #sweepHandles(): Promise<void> {
    const { wallTime } = this.#world;
    if (wallTime - this.#sweptAt < GRACE_MS) return;
    this.#sweptAt = wallTime;
    const { items } = await this.process.client.list(IPAMHandle);
    for (const id of this.#sweep.look(items, this.#blocks.items.values())) await this.process.ipam.settleHandle(id);
  }

  #seePods(): void {
    const now = new Map([...this.#world.pods.values()].map(pod => [pod.name, podFacts(podResource(pod))]));
    for (const [name, { node }] of this.#pods) if (!now.has(name) && node !== undefined) this.#core.markDirty(node);
    this.#pods = now;
  }

  #seeNodes(): void {
    const now = new Set(this.#world.nodes.keys());
    if ([...this.#nodes].some(name => !now.has(name))) this.#core.markAllDirty();
    this.#nodes = now;
  }
}

function factsOf(kubernetesName: string, present: boolean): NodeFacts {
  return { state: present ? 'present' : 'gone', kubernetesName };
}
