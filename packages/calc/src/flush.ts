import type { PolicyProgram, ProfileProgram } from '@calico/policy';
import type { IpSets } from './ip-sets.ts';
import type { EndpointId, HostInfo, LocalEndpoint, Message, PoolInfo, RouteInfo, Vtep } from './messages.ts';
import type { Outbox } from './outbox.ts';

/** The changes of every part that tells some. */
export interface Outboxes {
  readonly ipSets: IpSets;
  readonly policies: Outbox<PolicyProgram>;
  readonly profiles: Outbox<ProfileProgram>;
  readonly endpoints: Outbox<{ readonly id: EndpointId; readonly endpoint: LocalEndpoint }>;
  readonly routes: Outbox<RouteInfo>;
  readonly vteps: Outbox<Vtep>;
  readonly hosts: Outbox<HostInfo>;
  readonly pools: Outbox<PoolInfo>;
  readonly config: Outbox<Readonly<Record<string, string>>>;
}

/**
 * Takes all changes as messages in an order in which nothing is named before it is there, or after it is gone: sets,
 * policies, profiles, endpoints, and their removal the other way round.
 */
export function collectMessages(from: Outboxes): Message[] {
  const sets = from.ipSets.take();
  const policies = from.policies.take();
  const profiles = from.profiles.take();
  const endpoints = from.endpoints.take();
  const routes = from.routes.take();
  const vteps = from.vteps.take();
  const hosts = from.hosts.take();
  const pools = from.pools.take();
  return [
    ...from.config.take().updates.map(config => ({ kind: 'configUpdate' as const, config })),
    ...sets.updates,
    ...sets.deltas,
    ...policies.updates.map(policy => ({ kind: 'policyUpdate' as const, policy })),
    ...profiles.updates.map(profile => ({ kind: 'profileUpdate' as const, profile })),
    ...endpoints.updates.map(({ id, endpoint }) => ({ kind: 'endpointUpdate' as const, id, endpoint })),
    ...endpoints.removes.map(id => ({ kind: 'endpointRemove' as const, id })),
    ...profiles.removes.map(id => ({ kind: 'profileRemove' as const, id })),
    ...policies.removes.map(id => ({ kind: 'policyRemove' as const, id })),
    ...sets.removes.map(id => ({ kind: 'ipSetRemove' as const, id })),
    ...routes.removes.map(cidr => ({ kind: 'routeRemove' as const, cidr })),
    ...vteps.removes.map(node => ({ kind: 'vtepRemove' as const, node })),
    ...vteps.updates.map(vtep => ({ kind: 'vtepUpdate' as const, vtep })),
    ...routes.updates.map(route => ({ kind: 'routeUpdate' as const, route })),
    ...hosts.removes.map(name => ({ kind: 'hostRemove' as const, name })),
    ...hosts.updates.map(host => ({ kind: 'hostUpdate' as const, host })),
    ...pools.removes.map(cidr => ({ kind: 'poolRemove' as const, cidr })),
    ...pools.updates.map(pool => ({ kind: 'poolUpdate' as const, pool })),
  ];
}
