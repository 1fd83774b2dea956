import { ClusterInformation, IPPool, Namespace, POD_IP_ANNOTATION, Pod, type WorkloadEndpoint } from '@calico/api';
import { type MemoryClient, memoryClient } from '@calico/datastore/memory';
import { cidr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { isAbsent, type Kernel, type Machine } from '@calico/kernel';
import { FakeMachine } from '@calico/kernel/fake';
import { ClockFake, seededRandom } from '@calico/reconcile';
import type { CniDeps, CniFelix } from './deps.ts';
import { type CniHandler, createCniHandler } from './handler.ts';
import type { CniRequest } from './protocol.ts';

/** A Felix that makes the host's routes alone, and as the true one writes nothing for an endpoint that it has already. */
export class RouteFelix implements CniFelix {
  /** Endpoints that it has, by name. */
  readonly endpoints = new Map<string, WorkloadEndpoint>();
  /** Endpoints that the datastore did not take. */
  readonly notNoted: string[] = [];
  /** The next endpoint is refused with this text. */
  refusal: string | undefined;
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  async endpointAdded(endpoint: WorkloadEndpoint): Promise<void> {
    if (this.refusal !== undefined) throw new Error(this.refusal);
    const known = this.endpoints.get(endpoint.metadata.name);
    this.endpoints.set(endpoint.metadata.name, endpoint);
    if (known !== undefined && String(known.spec.ipNetworks) === String(endpoint.spec.ipNetworks)) return;
    const link = this.#kernel.link(endpoint.spec.interfaceName)?.index ?? 0;
    for (const text of endpoint.spec.ipNetworks ?? []) {
      const destination = cidr(text);
      this.#kernel.replaceRoute({ destination, table: 254, protocol: 80, scope: 'link', type: 'unicast', link });
    }
  }

  endpointNotNoted({ metadata }: WorkloadEndpoint): void {
    this.notNoted.push(metadata.name);
  }

  interfaceProblem(hostName: string): string | undefined {
    const known = [...this.endpoints.values()].some(({ spec }) => spec.interfaceName === hostName);
    return known ? undefined : `no rules for ${hostName}`;
  }

  async endpointRemoved({ metadata }: Pick<WorkloadEndpoint, 'metadata'>): Promise<void> {
    const gone = this.endpoints.get(metadata.name);
    this.endpoints.delete(metadata.name);
    for (const text of gone?.spec.ipNetworks ?? []) {
      try {
        this.#kernel.deleteRoute({ destination: cidr(text), table: 254 });
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    }
  }
}

/** A node of a cluster in memory with a CNI handler. */
export interface World<M extends Machine = Machine> {
  readonly machine: M;
  readonly kernel: Kernel;
  readonly client: MemoryClient;
  readonly ipam: Ipam;
  readonly felix: RouteFelix;
  readonly clock: ClockFake;
  readonly deps: CniDeps;
  readonly handler: CniHandler;
  /** What was logged. */
  readonly records: { readonly level: string; readonly message: string; readonly fields: Record<string, unknown> }[];
  /** Stores a pod of this node. */
  addPod(name: string, change?: { spec?: Partial<Pod['spec']>; annotations?: Record<string, string> }): Promise<Pod>;
  pod(name: string): Promise<Pod>;
}

/** Namespace `shop`, one pool per family. */
export async function newWorld<M extends Machine>(
  machine: M,
  kernel: Kernel,
  clock: ClockFake = new ClockFake(),
  datastoreType: CniDeps['datastoreType'] = 'kubernetes',
): Promise<World<M>> {
  const client = memoryClient({ clock });
  const ipam = new Ipam({ client, clock, random: seededRandom(1) });
  const felix = new RouteFelix(kernel);
  const records: World['records'] = [];
  const log = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    records.push({ level, message, fields });
  };
  const apiVersion = 'projectcalico.org/v3';
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' }, spec: {} });
  for (const [name, text] of [
    ['v4', '10.65.0.0/24'],
    ['v6', 'fd00:65::/120'],
  ] as const) {
    await client.create(IPPool, { apiVersion, kind: 'IPPool', metadata: { name }, spec: { cidr: text } });
  }
  await client.create(ClusterInformation, {
    apiVersion,
    kind: 'ClusterInformation',
    metadata: { name: 'default' },
    spec: { datastoreReady: true },
  });
  const deps: CniDeps = {
    nodeName: 'node-1',
    client,
    datastoreType,
    kubernetes: datastoreType === 'kubernetes' ? client : undefined,
    ipam,
    kernel,
    openKernel: namespace => machine.openKernel({ namespace }),
    openNamespace: path => machine.openNamespace(path),
    felix,
    mtu: () => 1450,
    mtuFile: '/absent/mtu',
    clock,
    random: seededRandom(2),
    log: { debug: log('debug'), info: log('info'), warn: log('warn') },
  };
  return {
    machine,
    kernel,
    client,
    ipam,
    felix,
    clock,
    deps,
    handler: createCniHandler(deps),
    records,
    pod: name => client.get(Pod, { name, namespace: 'shop' }),
    addPod: (name, { spec, annotations } = {}) =>
      client.create(Pod, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'shop', ...(annotations && { annotations }) },
        spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'main' }], ...spec },
      }),
  };
}

/** A world on a machine in memory, with pod namespaces /run/netns/a and /run/netns/b. */
export async function fakeWorld(datastoreType?: CniDeps['datastoreType']): Promise<World<FakeMachine>> {
  const machine = new FakeMachine();
  for (const name of ['a', 'b']) machine.createNamespace(`/run/netns/${name}`);
  return await newWorld(machine, machine.openKernel(), undefined, datastoreType);
}

/** What a request is about. */
export interface CallOptions {
  readonly plugin?: CniRequest['plugin'];
  readonly pod?: string;
  readonly container?: string;
  readonly netns?: string;
  readonly config?: Record<string, unknown>;
}

/** A request for the network of pod `shop/<pod>`. */
export function request(command: CniRequest['command'], options: CallOptions = {}): CniRequest {
  const { plugin = 'calico', pod = 'web', container = 'c1', netns = '/run/netns/a', config = {} } = options;
  return {
    plugin,
    command,
    parameters: {
      containerId: container,
      netns,
      ifname: 'eth0',
      args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod};K8S_POD_INFRA_CONTAINER_ID=${container}`,
    },
    config: { cniVersion: '1.0.0', name: 'net', type: 'calico', ipam: { type: 'calico-ipam' }, ...config },
  };
}

/** The output of an answer; throws what it says when it is an error. */
export async function outputOf(answer: ReturnType<CniHandler>): Promise<unknown> {
  const given = await answer;
  if ('error' in given) throw new Error(`${given.error.code}: ${given.error.msg}`);
  return given.output;
}

/** The address noted on a pod. */
export function notedAddress(pod: Pod): string | undefined {
  return pod.metadata.annotations?.[POD_IP_ANNOTATION];
}
