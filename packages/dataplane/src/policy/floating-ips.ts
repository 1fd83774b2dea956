import type { EndpointId, LocalEndpoint, Message } from '@calico/calc';
import { addrToBytes, cidr, type Family } from '@calico/ip';
import type { Expr, SetSpec } from '@calico/kernel';
import { bytesKey } from './address-sets.ts';
import * as nft from './expressions.ts';
import { floatingIpMap, ownFloatingIpMap } from './names.ts';
import type { Chain, Ruleset } from './ruleset.ts';

const families = [4, 6] as const;

/** The maps that are there while floating IPs are in use. */
const maps: readonly SetSpec[] = families.flatMap((family): SetSpec[] => {
  const type = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return [
    { name: floatingIpMap(family), keyType: type, flags: [], map: { type } },
    { name: ownFloatingIpMap(family), keyType: [type, type], flags: [], map: { type } },
  ];
});

/**
 * The chains that are there while floating IPs are in use: packets that arrive, and the node's own, go to the pod that the
 * floating IP leads to. After kube-proxy (dstnat, -100; -110 with nftables), so that no pod can take the address of a service, and
 * not instead of an address of the node.
 */
const chains: readonly Chain[] = (['prerouting', 'output'] as const).map(hook => ({
  spec: { name: `nat-${hook}`, type: 'nat', hook, priority: -90 },
  rules: families.map(family => [
    ...nft.familyIs(family),
    ...nft.addressByMap(family, ['destination'], floatingIpMap(family)),
    ...nft.destinationIsLocal(true),
    nft.translateToFound('dnat', family),
  ]),
}));

/** A pod that has reached itself by its floating IP gets that as the source: it would take its own address for a forgery. */
export function ownFloatingIpRule(family: Family): Expr[] {
  return [
    ...nft.familyIs(family),
    ...nft.addressByMap(family, ['source', 'destination'], ownFloatingIpMap(family)),
    nft.translateToFound('snat', family),
  ];
}

/**
 * Leads floating IPs to the pods that ask for them. One that several ask for is the pod's with the lowest name; one that
 * somebody has as an address (a pod, a node, a tunnel) is nobody's.
 */
export class FloatingIps {
  readonly #ruleset: Ruleset;
  readonly #isTaken: (cidr: string) => boolean;
  /** Those that ask for floating IPs. */
  readonly #endpoints = new Map<EndpointId, LocalEndpoint>();
  #enabled = false;
  #changed = false;

  constructor(ruleset: Ruleset, isTaken: (cidr: string) => boolean) {
    this.#ruleset = ruleset;
    this.#isTaken = isTaken;
  }

  /** Has the maps and chains come, or go. */
  setEnabled(enabled: boolean): void {
    if (enabled === this.#enabled) return;
    this.#enabled = enabled;
    this.#changed = true;
    for (const spec of maps) {
      if (enabled) this.#ruleset.addSet(spec, []);
      else this.#ruleset.deleteSet(spec.name);
    }
    for (const chain of chains) {
      if (enabled) this.#ruleset.setChain(chain);
      else this.#ruleset.deleteChain(chain.spec.name);
    }
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    switch (message.kind) {
      case 'endpointUpdate':
        this.#set(message.id, message.endpoint);
        return;
      case 'endpointRemove':
        this.#set(message.id, undefined);
        return;
      case 'routeUpdate':
      case 'routeRemove':
        // Whose addresses are whose.
        if (this.#endpoints.size > 0) this.#changed = true;
        return;
    }
  }

  /** Brings the maps up to date. */
  apply(): void {
    if (!this.#enabled || !this.#changed) return;
    this.#changed = false;
    const byName = [...this.#endpoints].sort(([a], [b]) => (a < b ? -1 : 1));
    const asked = byName.flatMap(([, { active, floatingIps }]) => (active ? floatingIps : []));
    const free = asked.filter(({ external }) => !this.#isTaken(external));
    for (const family of families) {
      const leadsTo = new Map<string, string>();
      const seenBy = new Map<string, string>();
      for (const { external, internal } of free) {
        const [from, to] = [addressKey(external), addressKey(internal)];
        if (cidr(external).addr.family !== family || leadsTo.has(from)) continue;
        leadsTo.set(from, to);
        if (!seenBy.has(to + to)) seenBy.set(to + to, from);
      }
      this.#replace(floatingIpMap(family), leadsTo);
      this.#replace(ownFloatingIpMap(family), seenBy);
    }
  }

  #replace(map: string, wanted: ReadonlyMap<string, string>): void {
    for (const key of [...(this.#ruleset.sets.get(map)?.elements.keys() ?? [])]) {
      if (!wanted.has(key)) this.#ruleset.setElement(map, key, undefined);
    }
    for (const [key, value] of wanted) this.#ruleset.setElement(map, key, value);
  }

  /** Most workloads ask for none: they are not even remembered. */
  #set(id: EndpointId, endpoint: LocalEndpoint | undefined): void {
    if (this.#endpoints.delete(id)) this.#changed = true;
    if (endpoint === undefined || endpoint.floatingIps.length === 0) return;
    this.#endpoints.set(id, endpoint);
    this.#changed = true;
  }
}

function addressKey(text: string): string {
  return bytesKey(addrToBytes(cidr(text).addr));
}
