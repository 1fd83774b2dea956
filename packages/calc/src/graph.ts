import type { GlobalNetworkPolicy, NetworkPolicy, ResourceUpdate, WorkloadEndpoint } from '@calico/api';
import { parseCidr } from '@calico/ip';
import type { PolicyId, PolicyProgram, ProfileProgram, SetId } from '@calico/policy';
import { ActivePolicies } from './active-policies.ts';
import { blockClaims } from './blocks.ts';
import type { Counter } from './counter.ts';
import { EndpointPolicies } from './endpoint-policies.ts';
import { FelixConfig } from './felix-config.ts';
import { type CalcOutput, takeMessages } from './flush.ts';
import { Hosts } from './hosts.ts';
import { validOrAbsent } from './invalid.ts';
import { IpSets } from './ip-sets.ts';
import { LocalEndpoints } from './local-endpoints.ts';
import { hostEndpointMember, networkSetMember, workloadMember } from './member.ts';
import type { MemberKey } from './member-counts.ts';
import type { Message } from './messages.ts';
import { byKind, keyOf, type ModelHandlers, type ResourceKey } from './model.ts';
import { eachNet, netText } from './net-key.ts';
import { type PolicyEntry, type PolicyKind, policyId, readPolicy } from './policy-entry.ts';
import { Pools } from './pools.ts';
import { Profiles } from './profiles.ts';
import { Programs } from './programs.ts';
import { addressClaims, Routes } from './routes.ts';
import { ServiceNets } from './service-nets.ts';
import { ServiceSets } from './service-sets.ts';
import { SetMembers } from './set-members.ts';
import { Tiers } from './tiers.ts';
import { translatePolicy } from './translate-policy.ts';

/** Numbers of things, for metrics. */
export interface CalcSizes {
  readonly hosts: number;
  readonly workloadEndpoints: number;
  readonly hostEndpoints: number;
  /** Endpoints and network sets. */
  readonly members: number;
  readonly tiers: number;
  readonly policies: number;
  readonly profiles: number;
  readonly localEndpoints: number;
  /** Policies that select a local endpoint. */
  readonly activePolicies: number;
  /** Sets that active policies and profiles ask. */
  readonly activeSets: number;
}

/** For whom a graph calculates. */
export interface CalcGraphOptions {
  readonly nodeName: string;
}

/**
 * Turns the resources of the cluster into what one node must have. Pure and incremental; what is out after a flush
 * depends on the resources as they are then, never on the order in which they came. A resource that cannot be read
 * counts as absent. An update costs work for what it touches.
 */
export class CalcGraph {
  readonly #nodeName: string;
  readonly #ipSets = new IpSets();
  readonly #members = new SetMembers(this.#ipSets, profile => this.#profiles.labels(profile));
  readonly #services = new ServiceSets(this.#ipSets);
  readonly #policies = new Programs<PolicyProgram>(this.#ipSets);
  readonly #profilePrograms = new Programs<ProfileProgram>(this.#ipSets);
  readonly #profiles = new Profiles(this.#profilePrograms);
  readonly #tiers = new Tiers();
  readonly #endpointPolicies = new EndpointPolicies(this.#tiers);
  readonly #endpoints = new LocalEndpoints(this.#endpointPolicies, this.#profiles);
  readonly #activePolicies = new ActivePolicies(
    {
      activeChanged: (id, before, after) => this.#setActive(id, before, after),
      matchStarted: (subject, endpoint) => this.#endpointPolicies.matchStarted(subject, endpoint),
      matchStopped: (subject, endpoint) => this.#endpointPolicies.matchStopped(subject, endpoint),
    },
    profile => this.#profiles.labels(profile),
  );
  readonly #hosts = new Hosts();
  readonly #pools = new Pools();
  readonly #serviceNets = new ServiceNets();
  readonly #routes: Routes;
  readonly #config: FelixConfig;
  readonly #handlers: ReturnType<typeof byKind>;
  #state: 'syncing' | 'synced' | 'told' = 'syncing';
  #flushing = false;

  constructor({ nodeName }: CalcGraphOptions) {
    this.#nodeName = nodeName;
    this.#routes = new Routes(nodeName, this.#hosts, this.#pools);
    this.#config = new FelixConfig(nodeName);
    this.#ipSets.connect({
      start: set => {
        const { definition } = set;
        if (definition.kind === 'service') this.#services.start(set, definition);
        else this.#members.start(set, definition);
      },
      stop: ({ definition: { kind, id } }) => (kind === 'service' ? this.#services : this.#members).stop(id),
    });
    this.#handlers = byKind(this.#modelHandlers());
  }

  /** Takes the present state of one resource. Throws between the first and the last step of a flush. */
  update(update: ResourceUpdate): void {
    if (this.#flushing) throw new Error(`Cannot take ${update.kind} ${update.name} in: a flush is under way`);
    this.#handlers.get(update.kind)?.(keyOf(update), update.resource);
  }

  /** Every resource that exists has been given at least once. */
  inSync(): void {
    if (this.#state === 'syncing') this.#state = 'synced';
  }

  /** What changed since the last flush, in an order in which it can be applied. Nothing before `inSync`. */
  flush(): Message[] {
    return Array.from(this.flushInSteps()).filter(message => message !== undefined);
  }

  /**
   * A flush in steps of about a millisecond, so that the caller can do other things in between; undefined where a step
   * tells nothing. It must be gone through to the end, and `update` waits until then.
   */
  *flushInSteps(): Generator<Message | undefined> {
    if (this.#state === 'syncing') return;
    this.#flushing = true;
    yield* this.#activePolicies.resolve();
    yield* this.#members.fill();
    yield* this.#endpoints.resolve();
    yield* this.#routes.resolve();
    yield* takeMessages({
      ipSets: this.#ipSets,
      policies: this.#policies.outbox,
      profiles: this.#profilePrograms.outbox,
      endpoints: this.#endpoints.outbox,
      routes: this.#routes.outbox,
      vteps: this.#hosts.vteps,
      hosts: this.#hosts.outbox,
      pools: this.#pools.outbox,
      serviceNets: this.#serviceNets.outbox,
      config: this.#config.outbox,
    });
    if (this.#state === 'synced') yield { kind: 'inSync' };
    this.#state = 'told';
    this.#flushing = false;
  }

  /** What the messages so far say, read from the parts that keep it: for tables and metrics. Changes while it is gone through. */
  get output(): CalcOutput {
    return {
      sets: this.#ipSets.values(),
      policies: this.#policies.outbox.values(),
      profiles: this.#profilePrograms.outbox.values(),
      endpoints: this.#endpoints.outbox.values(),
      routes: this.#routes.outbox.values(),
      vteps: this.#hosts.vteps.values(),
      hosts: this.#hosts.outbox.values(),
      pools: this.#pools.outbox.values(),
      serviceNets: this.#serviceNets.values(),
      config: this.#config.outbox.values(),
    };
  }

  /** What the sets that programs ask hold, in words. */
  describeSets(): ReadonlyMap<SetId, string> {
    return this.#ipSets.describe();
  }

  /** How much the cluster has, and what of it concerns this node. */
  sizes(): CalcSizes {
    return {
      hosts: this.#hosts.size,
      workloadEndpoints: this.#members.count('WorkloadEndpoint'),
      hostEndpoints: this.#members.count('HostEndpoint'),
      members: this.#members.size,
      tiers: this.#tiers.size,
      policies: this.#activePolicies.policies,
      profiles: this.#profiles.known,
      localEndpoints: this.#endpoints.size,
      activePolicies: this.#policies.size,
      activeSets: this.#ipSets.size,
    };
  }

  /** How much each part holds; all 0 when no resource is left. */
  counts(): Readonly<Record<string, number>> {
    return {
      sets: this.#ipSets.size,
      members: this.#members.size,
      services: this.#services.size,
      policies: this.#activePolicies.size,
      activePolicies: this.#policies.size,
      profiles: this.#profiles.size,
      activeProfiles: this.#profilePrograms.size,
      tiers: this.#tiers.size,
      endpointPolicies: this.#endpointPolicies.size,
      endpoints: this.#endpoints.size,
      hosts: this.#hosts.size,
      pools: this.#pools.size,
      serviceNets: this.#serviceNets.values().length,
      routes: this.#routes.size,
      configurations: this.#config.size,
    };
  }

  /** Throws when a part is inconsistent with itself or with another. Slow: for tests and support. */
  check(): void {
    this.#activePolicies.check();
    this.#endpointPolicies.check();
    const given = new Map<SetId, Counter<MemberKey>>();
    this.#members.check(given);
    this.#services.check(given);
    this.#ipSets.check(given);
    this.#pools.check();
    this.#routes.check();
    const users = new Map<SetId, number>();
    this.#policies.countUsers(users);
    this.#profilePrograms.countUsers(users);
    const counted = this.#ipSets.users();
    for (const id of new Set([...users.keys(), ...counted.keys()])) {
      if (users.get(id) !== counted.get(id)) {
        throw new Error(`Cannot trust set ${id}: it counts ${counted.get(id)} users; there are ${users.get(id)}`);
      }
    }
  }

  #modelHandlers(): ModelHandlers {
    const policy =
      (kind: PolicyKind) => (key: ResourceKey, resource: NetworkPolicy | GlobalNetworkPolicy | undefined) =>
        this.#setPolicy(kind, key, resource);
    return {
      WorkloadEndpoint: (key, resource) => this.#setWorkload(key, resource),
      HostEndpoint: ({ id }, resource) =>
        this.#members.set('HostEndpoint', id, resource && hostEndpointMember(resource)),
      NetworkSet: ({ id, namespace }, resource) =>
        this.#members.set('NetworkSet', id, resource && networkSetMember(resource, namespace)),
      GlobalNetworkSet: ({ id }, resource) =>
        this.#members.set('GlobalNetworkSet', id, resource && networkSetMember(resource, undefined)),
      Profile: ({ name }, resource) => {
        this.#profiles.set(name, resource);
        this.#members.profileChanged(name);
        this.#activePolicies.profileChanged(name);
      },
      NetworkPolicy: policy('NetworkPolicy'),
      GlobalNetworkPolicy: policy('GlobalNetworkPolicy'),
      KubernetesNetworkPolicy: policy('KubernetesNetworkPolicy'),
      KubernetesClusterNetworkPolicy: policy('KubernetesClusterNetworkPolicy'),
      StagedNetworkPolicy: policy('StagedNetworkPolicy'),
      StagedGlobalNetworkPolicy: policy('StagedGlobalNetworkPolicy'),
      StagedKubernetesNetworkPolicy: policy('StagedKubernetesNetworkPolicy'),
      Tier: ({ name }, resource) => {
        this.#tiers.set(name, resource);
        this.#endpointPolicies.tierChanged(name);
      },
      EndpointSlice: ({ id }, resource) => this.#services.setSlice(id, resource),
      IPPool: ({ name }, resource) => {
        const touched = this.#pools.set(name, resource);
        const cidr = this.#pools.routedCidr(name);
        this.#routes.setClaims(`pool/${name}`, cidr === undefined ? [] : [{ kind: 'pool', cidr }]);
        for (const changed of touched) this.#routes.poolChanged(changed);
      },
      IPAMBlock: ({ name }, resource) =>
        this.#routes.setClaims(`block/${name}`, resource === undefined ? [] : blockClaims(resource)),
      CalicoNode: ({ name }, resource) => {
        this.#hosts.set(name, resource);
        const node = this.#hosts.get(name);
        this.#routes.setClaims(`node/${name}`, [
          ...addressClaims('host', name, Object.values(node?.host ?? {})),
          ...addressClaims('tunnel', name, node?.tunnels ?? []),
        ]);
        this.#routes.nodeChanged(name);
        if (name === this.#nodeName) this.#config.setNodeLabels(resource?.metadata.labels ?? {});
      },
      BGPConfiguration: ({ name }, resource) => this.#serviceNets.set(name, resource),
      FelixConfiguration: ({ name }, resource) => this.#config.setConfiguration(name, resource),
      ClusterInformation: ({ name }, resource) => this.#config.setCluster(name, resource),
    };
  }

  #setPolicy(kind: PolicyKind, key: ResourceKey, resource: NetworkPolicy | GlobalNetworkPolicy | undefined): void {
    const { namespace, name } = key;
    const form = resource && validOrAbsent(() => readPolicy(namespace, resource));
    this.#activePolicies.setPolicy(policyId(kind, namespace, name), form);
  }

  /** A policy whose rules cannot be read counts as absent. */
  #setActive(id: PolicyId, before: PolicyEntry | undefined, after: PolicyEntry | undefined): void {
    const translated = after && validOrAbsent(() => translatePolicy(after));
    this.#policies.set(id, translated);
    if (after !== undefined && translated !== undefined) this.#endpointPolicies.addEntry(after);
    if (before !== undefined) this.#endpointPolicies.deleteEntry(before);
  }

  #setWorkload({ id }: ResourceKey, resource: WorkloadEndpoint | undefined): void {
    const member = resource === undefined ? undefined : workloadMember(resource);
    this.#members.set('WorkloadEndpoint', id, member);
    if (member !== undefined && resource?.spec.node === this.#nodeName) {
      this.#endpoints.set(id, resource);
      this.#activePolicies.setEndpoint(id, member.labels, member.profiles);
      const addresses = eachNet(member.nets).flatMap(net => parseCidr(netText(net))?.addr ?? []);
      this.#routes.setClaims(`wep/${id}`, addressClaims('workload', this.#nodeName, addresses));
    } else if (this.#endpoints.has(id)) {
      this.#activePolicies.deleteEndpoint(id);
      this.#endpoints.set(id, undefined);
      this.#routes.setClaims(`wep/${id}`, []);
    }
  }
}
