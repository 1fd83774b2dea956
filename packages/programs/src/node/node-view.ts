import type { CalicoNode, ClusterInformation, FelixConfiguration, IPPool, ResourceUpdate } from '@calico/api';

/** What Felix's view shows of the cluster's pools and of this node, for what else in the agent depends on them. */
export class NodeView {
  readonly #nodeName: string;
  readonly #pools = new Map<string, IPPool>();
  readonly #configurations = new Map<string, FelixConfiguration>();
  readonly #listeners: (() => void)[] = [];
  #node: CalicoNode | undefined;
  #inSync = false;
  #datastoreReady = true;

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  /** The pools of the view. */
  get pools(): Iterable<IPPool> {
    return this.#pools.values();
  }

  /** This node; undefined until the view has it. */
  get node(): CalicoNode | undefined {
    return this.#node;
  }

  /** Whether ClusterInformation lets the datastore be changed; undefined until the view is whole. */
  get datastoreReady(): boolean | undefined {
    return this.#inSync ? this.#datastoreReady : undefined;
  }

  /** Whether the view is whole. */
  get inSync(): boolean {
    return this.#inSync;
  }

  /** A field of the FelixConfiguration of this node, else of the cluster's. */
  felix<K extends keyof FelixConfiguration['spec']>(field: K): FelixConfiguration['spec'][K] | undefined {
    const own = this.#configurations.get(`node.${this.#nodeName}`)?.spec[field];
    return own ?? this.#configurations.get('default')?.spec[field];
  }

  /** Takes changes of the cluster in. */
  onUpdates(updates: readonly ResourceUpdate[]): void {
    let changed = false;
    // A syncer's updates of a kind carry that kind's type, which ResourceUpdate can't say.
    for (const { kind, name, resource } of updates) {
      if (kind === 'ClusterInformation') {
        if (name === 'default') this.#datastoreReady = isReady(resource as ClusterInformation | undefined);
        continue;
      }
      if (kind === 'IPPool') put(this.#pools, name, resource as IPPool | undefined);
      else if (kind === 'FelixConfiguration')
        put(this.#configurations, name, resource as FelixConfiguration | undefined);
      else if (kind === 'CalicoNode' && name === this.#nodeName) {
        const before = this.#node;
        this.#node = resource as CalicoNode | undefined;
        if (sameForTunnels(before, this.#node)) continue;
      } else continue;
      changed = true;
    }
    if (changed && this.#inSync) this.#tell();
  }

  /** The view is whole from now on. */
  onInSync(): void {
    this.#inSync = true;
    this.#tell();
  }

  #tell(): void {
    for (const call of this.#listeners) call();
  }

  /** Calls once the view is whole and whenever a pool, a configuration, or what tunnels depend on of this node changes then. */
  onChanged(call: () => void): void {
    this.#listeners.push(call);
  }
}

function isReady(information: ClusterInformation | undefined): boolean {
  return information?.spec.datastoreReady !== false;
}

function put<T>(map: Map<string, T>, name: string, value: T | undefined): void {
  if (value === undefined) map.delete(name);
  else map.set(name, value);
}

/** Labels choose pools, keys say that WireGuard runs; addresses are what we write ourselves. */
function sameForTunnels(a: CalicoNode | undefined, b: CalicoNode | undefined): boolean {
  const facts = (node: CalicoNode | undefined) =>
    JSON.stringify([node?.metadata.labels, node?.status?.wireguardPublicKey, node?.status?.wireguardPublicKeyV6]);
  return facts(a) === facts(b);
}
