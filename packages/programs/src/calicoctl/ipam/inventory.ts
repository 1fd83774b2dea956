import {
  type CalicoNode,
  ClusterInformation,
  IPAMBlock,
  IPAMHandle,
  IPPool,
  KubeControllersConfiguration,
  nodeTunnelAddresses,
  type Resource,
  Service,
  type WorkloadEndpoint,
} from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import { parseCidr, printAddr } from '@calico/ip';
import { ctlKindByName } from '../kinds/registry.ts';
import type { CtlStore } from '../store.ts';

/** An address that somebody uses. */
export interface InUse {
  readonly address: string;
  /** `Workload(shop/node--1-k8s-cart--0-eth0)`, `Node(node-1)`, or a service's name. */
  readonly owner: string;
}

/** All that says which addresses are used, and all that says which are allocated; of one moment, as far as lists can. */
export interface Inventory {
  readonly cluster: ClusterInformation;
  readonly blocks: readonly IPAMBlock[];
  readonly handles: readonly IPAMHandle[];
  /** CIDRs of the pools that are not disabled. */
  readonly activePools: readonly string[];
  readonly nodes: readonly CalicoNode[];
  readonly endpoints: readonly WorkloadEndpoint[];
  readonly nodeAddresses: readonly InUse[];
  /** Undefined when there is no load balancer controller, or no Kubernetes. */
  readonly services: { readonly count: number; readonly addresses: readonly InUse[] } | undefined;
  readonly workloadAddresses: readonly InUse[];
}

/** Reads it: first what is allocated, then who uses it, so that what comes up meanwhile is never taken for a leak. */
export async function takeInventory(store: CtlStore): Promise<Inventory> {
  const { client } = store;
  const cluster = await client.get(ClusterInformation, { name: 'default' });
  const [blocks, handles] = [await client.list(IPAMBlock), await client.list(IPAMHandle)];
  const pools = await client.list(IPPool);
  const nodes = (await ctlKindByName('node').list(store)).items as CalicoNode[];
  const services = await loadBalancers(store);
  const endpoints = (await ctlKindByName('workloadendpoint').list(store)).items as WorkloadEndpoint[];
  const present = <R extends { spec: { deleted?: boolean } }>(items: readonly R[]) =>
    items.filter(({ spec }) => spec.deleted !== true);
  return {
    cluster,
    blocks: present(blocks.items),
    handles: present(handles.items),
    activePools: pools.items.filter(({ spec }) => spec.disabled !== true).map(({ spec }) => spec.cidr),
    nodes,
    endpoints,
    nodeAddresses: nodes.flatMap(tunnelsOf),
    services,
    workloadAddresses: endpoints.flatMap(({ metadata, spec }) =>
      (spec.ipNetworks ?? []).flatMap(text => inUse(text, `Workload(${metadata.namespace ?? ''}/${metadata.name})`)),
    ),
  };
}

/** Every address that somebody uses. */
export function usedAddresses({ nodeAddresses, services, workloadAddresses }: Inventory): InUse[] {
  return [...nodeAddresses, ...(services?.addresses ?? []), ...workloadAddresses];
}

function tunnelsOf(node: CalicoNode): InUse[] {
  return nodeTunnelAddresses(node).flatMap(text => inUse(text, `Node(${node.metadata.name})`));
}

/** A service's address is IPAM's where the load balancer controller has assigned it. */
async function loadBalancers({ type, client }: CtlStore): Promise<Inventory['services']> {
  if (type !== 'kubernetes') return undefined;
  const config = await find(client.get(KubeControllersConfiguration, { name: 'default' }));
  const assignIPs = config?.spec.controllers.loadBalancer?.assignIPs;
  if (config?.spec.controllers.loadBalancer === undefined) return undefined;
  const managed = (await client.list(Service)).items.filter(service => isManaged(service, assignIPs));
  const addresses = managed.flatMap(({ metadata, status }) =>
    (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => inUse(ip, metadata.name)),
  );
  return { count: managed.length, addresses };
}

const REQUESTS = ['projectcalico.org/ipv4pools', 'projectcalico.org/ipv6pools', 'projectcalico.org/loadBalancerIPs'];

function isManaged({ metadata, spec }: Service, assignIPs: string | undefined): boolean {
  if (spec.type !== 'LoadBalancer') return false;
  const { loadBalancerClass, loadBalancerIP } = spec;
  if (loadBalancerClass !== undefined) return loadBalancerClass === 'calico';
  if (assignIPs !== 'RequestedServicesOnly') return true;
  return loadBalancerIP !== undefined || REQUESTS.some(key => metadata.annotations?.[key] !== undefined);
}

function inUse(text: string | undefined, owner: string): InUse[] {
  const parsed = parseCidr(text ?? '');
  return parsed === undefined ? [] : [{ address: printAddr(parsed.addr), owner }];
}

async function find<R extends Resource>(reading: ReturnType<Client['get']> | Promise<R>): Promise<R | undefined> {
  try {
    return (await reading) as R;
  } catch (err) {
    if (isNotFound(err)) return undefined;
    throw err;
  }
}
