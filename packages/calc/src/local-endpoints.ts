import { endpointKey, type WorkloadEndpoint } from '@calico/api';
import { cidr, cidrContains, hostCidr, parseAddr, printCidr } from '@calico/ip';
import type { EndpointPolicies } from './endpoint-policies.ts';
import type { EndpointId, FloatingIp, LocalEndpoint } from './messages.ts';
import { eachNet, netKeys, netText } from './net-key.ts';
import { Outbox } from './outbox.ts';
import type { Profiles } from './profiles.ts';

/** The workloads of this node with everything that decides their packets. */
export class LocalEndpoints {
  readonly outbox = new Outbox<{ readonly id: EndpointId; readonly endpoint: LocalEndpoint }>();
  readonly #resources = new Map<EndpointId, WorkloadEndpoint>();
  readonly #dirty = new Set<EndpointId>();
  readonly #policies: EndpointPolicies;
  readonly #profiles: Profiles;

  constructor(policies: EndpointPolicies, profiles: Profiles) {
    this.#policies = policies;
    this.#profiles = profiles;
  }

  /** The local workload is now `resource`; undefined: it is gone, or on another node. */
  set(id: EndpointId, resource: WorkloadEndpoint | undefined): void {
    const before = this.#resources.get(id);
    for (const profile of profilesOf(resource)) this.#profiles.acquire(profile);
    for (const profile of profilesOf(before)) this.#profiles.release(profile);
    if (resource !== undefined) this.#resources.set(id, resource);
    else if (!this.#resources.delete(id)) return;
    this.#dirty.add(id);
  }

  has(id: EndpointId): boolean {
    return this.#resources.has(id);
  }

  /** Puts what changed since the last call into the outbox, in steps. */
  *resolve(): Generator<undefined> {
    for (const id of this.#policies.takeChanged()) this.#dirty.add(id);
    yield;
    for (const id of this.#dirty) {
      const resource = this.#resources.get(id);
      this.outbox.put(id, resource === undefined ? undefined : { id, endpoint: this.#endpoint(id, resource) });
      this.#dirty.delete(id);
      yield;
    }
  }

  get size(): number {
    return this.#resources.size;
  }

  #endpoint(id: EndpointId, resource: WorkloadEndpoint): LocalEndpoint {
    const { spec, metadata } = resource;
    const nets = readNets(spec.ipNetworks);
    const profiles = profilesOf(resource);
    return {
      name: spec.interfaceName ?? '',
      orchestrator: spec.orchestrator ?? '',
      namespace: metadata.namespace ?? '',
      workload: spec.pod || spec.workload || '',
      key: endpointKey(metadata.namespace ?? 'default', spec),
      ...(spec.mac ? { mac: spec.mac } : {}),
      ipv4: nets.filter(net => !net.includes(':')),
      ipv6: nets.filter(net => net.includes(':')),
      active: true,
      ingress: { tiers: this.#policies.programs(id, 'ingress'), profiles },
      egress: { tiers: this.#policies.programs(id, 'egress'), profiles },
      allowSpoofedSources: readNets(spec.allowSpoofedSourcePrefixes),
      floatingIps: readFloatingIps(spec.ipNATs, nets),
    };
  }
}

/** Masked CIDRs as text, each once; text that is no CIDR or address is left out. */
function readNets(texts: readonly string[] | undefined): string[] {
  return eachNet(netKeys(texts)).map(netText);
}

/** What no router sends packets to, so that it leads to no pod. RFC 1122 §3.2.1.3, RFC 3927 §2.7, RFC 4291 §2.4 */
const neverForwarded = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'],
  ...['::/127', 'fe80::/10', 'ff00::/8'],
].map(cidr);

/** What leads to one of the endpoint's own addresses (`nets`) in its family; the rest is left out. */
function readFloatingIps(nats: WorkloadEndpoint['spec']['ipNATs'], nets: readonly string[]): FloatingIp[] {
  const found = new Map<string, FloatingIp>();
  for (const { externalIP, internalIP } of nats ?? []) {
    const [from, to] = [parseAddr(externalIP), parseAddr(internalIP)];
    if (from === undefined || to === undefined || from.family !== to.family) continue;
    if (neverForwarded.some(net => cidrContains(net, from))) continue;
    const [external, internal] = [printCidr(hostCidr(from)), printCidr(hostCidr(to))];
    if (nets.includes(internal) && !found.has(external)) found.set(external, { external, internal });
  }
  return [...found.values()];
}

/** The profiles that an endpoint names, each once. */
function profilesOf(resource: WorkloadEndpoint | undefined): readonly string[] {
  return [...new Set(resource?.spec.profiles ?? [])];
}
