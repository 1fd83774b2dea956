import { type PolicyProgram, type ProfileProgram, type SetId, setsOf } from '@calico/policy';
import type { EndpointId, HostInfo, LocalEndpoint, Message, PoolInfo, RouteInfo, SetType, Vtep } from './messages.ts';

/** Everything that the messages so far say this node must have. */
export interface NodeState {
  readonly sets: Map<SetId, { readonly type: SetType; readonly members: Set<string> }>;
  readonly policies: Map<string, PolicyProgram>;
  readonly profiles: Map<string, ProfileProgram>;
  readonly endpoints: Map<EndpointId, LocalEndpoint>;
  readonly routes: Map<string, RouteInfo>;
  readonly vteps: Map<string, Vtep>;
  readonly pools: Map<string, PoolInfo>;
  readonly hosts: Map<string, HostInfo>;
  serviceNets: readonly string[];
  config: Readonly<Record<string, string>> | undefined;
  inSync: boolean;
}

/** A state in which nothing has been said yet. */
export function emptyState(): NodeState {
  return {
    sets: new Map(),
    policies: new Map(),
    profiles: new Map(),
    endpoints: new Map(),
    routes: new Map(),
    vteps: new Map(),
    pools: new Map(),
    hosts: new Map(),
    serviceNets: [],
    config: undefined,
    inSync: false,
  };
}

/**
 * Brings `state` up to date with `messages`, in their order. Throws when a message contradicts the state: a delta of an
 * unknown set, a member added twice or removed while absent, the removal of something unknown, or an endpoint that
 * names a policy, or a policy that names a set, which has not arrived.
 */
export function applyMessages(state: NodeState, messages: readonly Message[]): NodeState {
  for (const message of messages) applyMessage(state, message);
  checkReferences(state);
  return state;
}

function applyMessage(state: NodeState, message: Message): void {
  switch (message.kind) {
    case 'ipSetUpdate':
      state.sets.set(message.id, { type: message.type, members: new Set(message.members) });
      return;
    case 'ipSetDelta':
      applyDelta(state, message.id, message.added, message.removed);
      return;
    case 'ipSetRemove':
      remove(state.sets, message.id, 'set');
      return;
    case 'policyUpdate':
      for (const id of setsOf(message.policy)) requireKey(state.sets, id, `policy ${message.policy.id}`);
      state.policies.set(message.policy.id, message.policy);
      return;
    case 'policyRemove':
      remove(state.policies, message.id, 'policy');
      return;
    case 'profileUpdate':
      for (const id of setsOf(message.profile)) requireKey(state.sets, id, `profile ${message.profile.id}`);
      state.profiles.set(message.profile.id, message.profile);
      return;
    case 'profileRemove':
      remove(state.profiles, message.id, 'profile');
      return;
    case 'endpointUpdate':
      requirePrograms(state, message.id, message.endpoint);
      state.endpoints.set(message.id, message.endpoint);
      return;
    case 'endpointRemove':
      remove(state.endpoints, message.id, 'endpoint');
      return;
    case 'routeUpdate':
      state.routes.set(message.route.cidr, message.route);
      return;
    case 'routeRemove':
      remove(state.routes, message.cidr, 'route');
      return;
    case 'vtepUpdate':
      state.vteps.set(message.vtep.node, message.vtep);
      return;
    case 'vtepRemove':
      remove(state.vteps, message.node, 'VTEP');
      return;
    case 'poolUpdate':
      state.pools.set(message.pool.cidr, message.pool);
      return;
    case 'poolRemove':
      remove(state.pools, message.cidr, 'pool');
      return;
    case 'hostUpdate':
      state.hosts.set(message.host.name, message.host);
      return;
    case 'hostRemove':
      remove(state.hosts, message.name, 'host');
      return;
    case 'serviceNets':
      state.serviceNets = message.nets;
      return;
    case 'configUpdate':
      state.config = message.config;
      return;
    case 'inSync':
      state.inSync = true;
      return;
  }
}

function applyDelta(state: NodeState, id: SetId, added: readonly string[], removed: readonly string[]): void {
  const set = state.sets.get(id);
  if (set === undefined) throw new Error(`Cannot change set ${id}: it is unknown`);
  for (const member of removed) {
    if (added.includes(member)) throw new Error(`Cannot change set ${id}: ${member} is both added and removed`);
    if (!set.members.delete(member)) throw new Error(`Cannot remove ${member} from set ${id}: it is absent`);
  }
  for (const member of added) {
    if (set.members.has(member)) throw new Error(`Cannot add ${member} to set ${id}: it is present`);
    set.members.add(member);
  }
}

function remove<K, V>(map: Map<K, V>, key: K, what: string): void {
  if (!map.delete(key)) throw new Error(`Cannot remove ${what} ${String(key)}: it is unknown`);
}

function requireKey<K, V>(map: ReadonlyMap<K, V>, key: K, user: string): void {
  if (!map.has(key)) throw new Error(`Cannot use ${String(key)} in ${user}: it is unknown`);
}

function requirePrograms(state: NodeState, id: EndpointId, endpoint: LocalEndpoint): void {
  for (const program of [endpoint.ingress, endpoint.egress]) {
    for (const tier of program.tiers) {
      for (const policy of tier.policies) requireKey(state.policies, policy, `endpoint ${id}`);
    }
    for (const profile of program.profiles) requireKey(state.profiles, profile, `endpoint ${id}`);
  }
}

function checkReferences(state: NodeState): void {
  for (const policy of state.policies.values()) {
    for (const id of setsOf(policy)) requireKey(state.sets, id, `policy ${policy.id}`);
  }
  for (const profile of state.profiles.values()) {
    for (const id of setsOf(profile)) requireKey(state.sets, id, `profile ${profile.id}`);
  }
  for (const [id, endpoint] of state.endpoints) requirePrograms(state, id, endpoint);
}
