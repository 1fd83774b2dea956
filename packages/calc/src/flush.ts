import type { PolicyProgram, ProfileProgram } from '@calico/policy';
import type { IpSets, SetOutput } from './ip-sets.ts';
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
  readonly serviceNets: Outbox<readonly string[]>;
  readonly config: Outbox<Readonly<Record<string, string>>>;
}

/** What is out, as tables and metrics read it. */
export interface CalcOutput {
  readonly sets: Iterable<SetOutput>;
  readonly policies: Iterable<PolicyProgram>;
  readonly profiles: Iterable<ProfileProgram>;
  readonly endpoints: Iterable<{ readonly id: EndpointId; readonly endpoint: LocalEndpoint }>;
  readonly routes: Iterable<RouteInfo>;
  readonly vteps: Iterable<Vtep>;
  readonly hosts: Iterable<HostInfo>;
  readonly pools: Iterable<PoolInfo>;
  readonly serviceNets: Iterable<string>;
  /** At most one. */
  readonly config: Iterable<Readonly<Record<string, string>>>;
}

/**
 * Takes all changes as messages, one by one, in an order in which nothing is named before it is there, or after it is gone:
 * sets, policies, profiles, endpoints, and their removal the other way round.
 */
export function* takeMessages(from: Outboxes): Generator<Message> {
  for (const config of from.config.take().updates) yield { kind: 'configUpdate', config };
  yield* from.ipSets.takeUpdates();
  const policies = from.policies.take();
  for (const policy of policies.updates) yield { kind: 'policyUpdate', policy };
  const profiles = from.profiles.take();
  for (const profile of profiles.updates) yield { kind: 'profileUpdate', profile };
  const endpoints = from.endpoints.take();
  for (const { id, endpoint } of endpoints.updates) yield { kind: 'endpointUpdate', id, endpoint };
  for (const id of endpoints.removes) yield { kind: 'endpointRemove', id };
  for (const id of profiles.removes) yield { kind: 'profileRemove', id };
  for (const id of policies.removes) yield { kind: 'policyRemove', id };
  for (const id of from.ipSets.takeRemoves()) yield { kind: 'ipSetRemove', id };
  const routes = from.routes.take();
  for (const cidr of routes.removes) yield { kind: 'routeRemove', cidr };
  const vteps = from.vteps.take();
  for (const node of vteps.removes) yield { kind: 'vtepRemove', node };
  for (const vtep of vteps.updates) yield { kind: 'vtepUpdate', vtep };
  for (const route of routes.updates) yield { kind: 'routeUpdate', route };
  const hosts = from.hosts.take();
  for (const name of hosts.removes) yield { kind: 'hostRemove', name };
  for (const host of hosts.updates) yield { kind: 'hostUpdate', host };
  const pools = from.pools.take();
  for (const cidr of pools.removes) yield { kind: 'poolRemove', cidr };
  for (const pool of pools.updates) yield { kind: 'poolUpdate', pool };
  const services = from.serviceNets.take();
  if (services.removes.length > 0) yield { kind: 'serviceNets', nets: [] };
  for (const nets of services.updates) yield { kind: 'serviceNets', nets };
}
