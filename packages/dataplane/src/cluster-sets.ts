import type { Message, PoolInfo } from '@calico/calc';
import { addrToBytes, type Cidr, type Family, mergeCidrs, parseAddr, parseCidr } from '@calico/ip';
import { bytesKey, netKey } from './policy/address-sets.ts';
import { natSourceSet, poolSet, serviceSet, vxlanHostSet } from './policy/names.ts';
import type { Ruleset } from './policy/ruleset.ts';

const families = [4, 6] as const;

/**
 * The sets that base chains ask: the cluster's pools, nodes and advertised services. `handle` takes messages in, a node at once,
 * in time that does not depend on their number; pools and networks of services, which are few, with the next `apply`.
 */
export class ClusterSets {
  readonly #ruleset: Ruleset;
  readonly #pools = new Map<string, PoolInfo>();
  #poolsChanged = false;
  /** Networks of services that are not in their sets yet. */
  #serviceNets: readonly string[] | undefined;
  /** The element of each node, by set. */
  readonly #hosts = new Map<string, ReadonlyMap<string, string>>();
  /** How many nodes have an element: two may claim one address for a while. */
  readonly #claims = new Map<string, number>();

  /** The ruleset must have the base sets. */
  constructor(ruleset: Ruleset) {
    this.#ruleset = ruleset;
  }

  /** Whether a pool uses VXLAN. */
  get overlay(): boolean {
    return [...this.#pools.values()].some(pool => pool.vxlanMode !== 'Never');
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    switch (message.kind) {
      case 'poolUpdate':
        this.#pools.set(message.pool.cidr, message.pool);
        this.#poolsChanged = true;
        return;
      case 'poolRemove':
        this.#pools.delete(message.cidr);
        this.#poolsChanged = true;
        return;
      case 'serviceNets':
        this.#serviceNets = message.nets;
        return;
      case 'hostUpdate':
        this.#setHost(message.host.name, message.host);
        return;
      case 'hostRemove':
        this.#setHost(message.name, {});
        return;
    }
  }

  /** Brings the sets of pools and services up to date; gives whether pools have changed. */
  apply(): boolean {
    const nets = this.#serviceNets;
    this.#serviceNets = undefined;
    if (nets !== undefined) for (const family of families) this.#replaceNets(serviceSet(family), family, nets);
    if (!this.#poolsChanged) return false;
    this.#poolsChanged = false;
    // Pools for load balancers hold no workloads.
    const ofWorkloads = [...this.#pools.values()].filter(pool => pool.allowedUses.some(use => use !== 'LoadBalancer'));
    const cidrsOf = (pools: readonly PoolInfo[]) => pools.map(pool => pool.cidr);
    const withNat = ofWorkloads.filter(pool => pool.natOutgoing);
    for (const family of families) {
      this.#replaceNets(poolSet(family), family, cidrsOf(ofWorkloads));
      this.#replaceNets(natSourceSet(family), family, cidrsOf(withNat));
    }
    return true;
  }

  #setHost(name: string, { ipv4, ipv6 }: { readonly ipv4?: string; readonly ipv6?: string }): void {
    const now = new Map<string, string>();
    for (const [family, text] of [[4, ipv4] as const, [6, ipv6] as const]) {
      const address = parseAddr(text ?? '');
      if (address !== undefined) now.set(vxlanHostSet(family), bytesKey(addrToBytes(address)));
    }
    const before = this.#hosts.get(name) ?? new Map<string, string>();
    if (now.size > 0) this.#hosts.set(name, now);
    else this.#hosts.delete(name);
    for (const [set, key] of now) this.#claim(set, key, 1);
    for (const [set, key] of before) this.#claim(set, key, -1);
  }

  #claim(set: string, key: string, change: 1 | -1): void {
    const element = `${set} ${key}`;
    const claims = (this.#claims.get(element) ?? 0) + change;
    if (claims > 0) this.#claims.set(element, claims);
    else this.#claims.delete(element);
    this.#ruleset.setElement(set, key, claims > 0 ? '' : undefined);
  }

  #replaceNets(set: string, family: Family, cidrs: readonly string[]): void {
    const nets = cidrs.map(parseCidr).filter((net): net is Cidr => net?.addr.family === family);
    const keys = new Set(mergeCidrs(nets).map(netKey));
    for (const key of [...(this.#ruleset.sets.get(set)?.elements.keys() ?? [])]) {
      if (!keys.has(key)) this.#ruleset.setElement(set, key, undefined);
    }
    for (const key of keys) this.#ruleset.setElement(set, key, '');
  }
}
