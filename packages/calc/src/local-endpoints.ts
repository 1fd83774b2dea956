import { endpointKey, type WorkloadEndpoint } from '@calico/api';
import type { EndpointPolicies } from './endpoint-policies.ts';
import type { EndpointId, LocalEndpoint } from './messages.ts';
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
    };
  }
}

/** Masked CIDRs as text, each once; text that is no CIDR or address is left out. */
function readNets(texts: readonly string[] | undefined): string[] {
  return eachNet(netKeys(texts)).map(netText);
}

/** The profiles that an endpoint names, each once. */
function profilesOf(resource: WorkloadEndpoint | undefined): readonly string[] {
  return [...new Set(resource?.spec.profiles ?? [])];
}
