import type { Resource } from '@calico/api';
import { CalcGraph } from '@calico/calc';
import { applyMessages, emptyState, type NodeState } from '@calico/calc/state';
import { Dataplane, type DataplaneConfig, defaultDataplaneConfig, type PolicyCompilerOptions } from '@calico/dataplane';
import { addr, cidr } from '@calico/ip';
import type { Kernel, Namespace } from '@calico/kernel';
import { createNamespace, deleteNamespace, openKernel } from '@calico/kernel/linux';
import { buildFabric, type Fabric, type LabPlan, planLab } from '@calico/lab';
import { modelUpdate } from '../cases/model-update.ts';
import { connectPod } from './pod-interface.ts';

/** A node of the test cluster: its kernel, its calculation and its dataplane, without any process in between. */
export interface TestNode {
  readonly name: string;
  readonly kernel: Kernel;
  readonly calc: CalcGraph;
  readonly dataplane: Dataplane;
  /** What the calculation has said so far. */
  readonly state: NodeState;
}

/** A pod of the test cluster. */
export interface TestPod {
  readonly key: string;
  readonly node: string;
  readonly ip: string;
  readonly namespace: Namespace;
}

/** The IPv6 address of the machine that is no node. */
export const externalAddress6 = '2001:db8:51::10';

let serial = 0;

/**
 * Nodes and pods on the real kernel, with calculation and dataplane driven directly by resources: what the agent does,
 * without API server, CNI and processes. Everything lives in named namespaces that `close` removes.
 */
export class TestCluster {
  readonly plan: LabPlan;
  readonly nodes: readonly TestNode[];
  readonly pods = new Map<string, TestPod>();
  readonly #prefix: string;
  readonly #home: Kernel;
  readonly #fabric: Fabric;
  readonly #paths: string[] = [];
  #podSerial = 0;

  constructor(options: {
    nodes: number;
    encapsulation: LabPlan['encapsulation'];
    nodeName?: (i: number) => string;
    config?: Partial<DataplaneConfig>;
    /** How the i-th node compiles policy. */
    compiler?: (node: number) => PolicyCompilerOptions;
  }) {
    const plan = planLab(options);
    const { nodeName = i => `node${i + 1}` } = options;
    this.plan = { ...plan, nodes: plan.nodes.map((node, i) => ({ ...node, name: nodeName(i) })) };
    this.#prefix = `t${process.pid}-${serial++}-`;
    const homePath = `/run/netns/${this.#prefix}home`;
    this.#home = openKernel({ namespace: createNamespace(homePath) });
    this.#fabric = buildFabric(this.plan, this.#home, this.#prefix);
    this.#paths.push(
      homePath,
      ...[...this.plan.nodes.map(n => n.name), 'router', 'external'].map(n => `/run/netns/${this.#prefix}${n}`),
    );
    this.nodes = this.#fabric.nodes.map(({ name, kernel }, i) => ({
      name,
      kernel,
      calc: new CalcGraph({ nodeName: name }),
      dataplane: new Dataplane(
        kernel,
        { ...defaultDataplaneConfig, nodeName: name, endpointToHostAction: 'accept', ...options.config },
        options.compiler?.(i),
      ),
      state: emptyState(),
    }));
    this.#routeFromOutside();
    this.#addIpv6();
    this.apply(this.#infrastructure());
    for (const { calc } of this.nodes) calc.inSync();
    this.write();
  }

  /** The i-th address that pods of a node may have. */
  podAddress(node: string, i: number): string {
    return `10.244.${this.#number(node)}.${10 + i}`;
  }

  /** The i-th IPv6 address that pods of a node may have. */
  podAddress6(node: string, i: number): string {
    return `fd00:10:244:${this.#number(node)}::${(10 + i).toString(16)}`;
  }

  /** Gives a pod its namespace, interface and addresses, as the CNI server does. */
  addPod(key: string, node: string, ip: string, interfaceName: string, ip6?: string): TestPod {
    const machine = this.#node(node);
    const path = `/run/netns/${this.#prefix}p${this.#podSerial++}`;
    this.#paths.push(path);
    const namespace = connectPod(machine.kernel, path, ip, interfaceName, ip6);
    const pod: TestPod = { key, node, ip, namespace };
    this.pods.set(key, pod);
    return pod;
  }

  /** Whether every machine has all its addresses in use; those of IPv6 are looked for duplicates first, for a second or two. */
  isSettled(): boolean {
    const { nodes, router, external } = this.#fabric;
    return [...nodes, router, external].every(({ kernel }) => kernel.addresses().every(each => !each.tentative));
  }

  /** Takes raw resources in as the API server and the syncer would: defaulted, converted. Writes nothing. */
  apply(resources: readonly Resource[]): void {
    for (const resource of resources) this.#update(resource, true);
  }

  /** Takes raw resources out. */
  remove(resources: readonly Resource[]): void {
    for (const resource of resources) this.#update(resource, false);
  }

  /** Brings every kernel up to date. */
  write(): void {
    for (const { calc, dataplane, state } of this.nodes) {
      const messages = calc.flush();
      applyMessages(state, messages);
      dataplane.handle(messages);
      dataplane.apply();
    }
  }

  /** Namespace of a machine that is no pod: a node's, `router` or `external`. */
  machine(name: string): Namespace {
    const machine = [...this.#fabric.nodes, this.#fabric.router, this.#fabric.external].find(m => m.name === name);
    if (machine === undefined) throw new Error(`Cannot find machine ${name}`);
    return machine.namespace;
  }

  /** The pod with this name; throws where there is none. */
  pod(key: string): TestPod {
    const pod = this.pods.get(key);
    if (pod === undefined) throw new Error(`Cannot find pod ${key}`);
    return pod;
  }

  /** Removes everything. */
  close(): void {
    for (const { namespace } of this.pods.values()) namespace.close();
    for (const { kernel } of this.nodes) kernel.close();
    this.#home.close();
    for (const path of this.#paths.reverse()) deleteNamespace(path);
  }

  /** The router knows the way to every node's pods, as it would by BGP. */
  #routeFromOutside(): void {
    for (const [i, node] of this.plan.nodes.entries()) {
      route(this.#fabric.router.kernel, `10.244.${i}.0/24`, node.address.split('/')[0] ?? '');
    }
  }

  /** IPv6, of which the plan knows nothing: a subnet for each bridge, one outside, and ways between all. */
  #addIpv6(): void {
    const { nodes, router, external } = this.#fabric;
    const subnet = (bridge: string) =>
      `fd00:172:30:${this.plan.router.ports.findIndex(port => port.bridge === bridge)}`;
    router.kernel.setSysctl('net/ipv6/conf/all/forwarding', '1');
    for (const { bridge } of this.plan.router.ports) assign(router.kernel, bridge, `${subnet(bridge)}::1/64`);
    assign(router.kernel, 'outside', '2001:db8:51::1/64');
    assign(external.kernel, 'eth0', `${externalAddress6}/64`);
    route(external.kernel, '::/0', '2001:db8:51::1');
    for (const [i, { name, bridge }] of this.plan.nodes.entries()) {
      const node = nodes.find(each => each.name === name);
      if (node === undefined) continue;
      const address = `${subnet(bridge)}::${(11 + i).toString(16)}`;
      assign(node.kernel, 'eth0', `${address}/64`);
      route(node.kernel, '::/0', `${subnet(bridge)}::1`);
      route(router.kernel, `fd00:10:244:${i}::/64`, address);
    }
  }

  #number(node: string): number {
    return this.plan.nodes.findIndex(n => n.name === node);
  }

  #node(name: string): TestNode {
    const node = this.nodes.find(n => n.name === name);
    if (node === undefined) throw new Error(`Cannot find node ${name}`);
    return node;
  }

  #update(resource: Resource, present: boolean): void {
    const update = modelUpdate(resource, present);
    if (update !== undefined) for (const { calc } of this.nodes) calc.update(update);
  }

  /** The pool, a block for each node, and the nodes with their addresses. */
  #infrastructure(): Resource[] {
    const v3 = 'projectcalico.org/v3';
    const vxlanMode = { none: 'Never', vxlan: 'Always', 'cross-subnet': 'CrossSubnet' }[this.plan.encapsulation];
    const pool = {
      apiVersion: v3,
      kind: 'IPPool',
      metadata: { name: 'pool' },
      spec: { cidr: this.plan.podCidr, vxlanMode, natOutgoing: true, blockSize: 24 },
    };
    const perNode = this.plan.nodes.flatMap((node, i) => [
      {
        apiVersion: v3,
        kind: 'IPAMBlock',
        metadata: { name: `10-244-${i}-0-24` },
        spec: {
          cidr: `10.244.${i}.0/24`,
          affinity: `host:${node.name}`,
          allocations: Array.from({ length: 256 }, () => null),
          unallocated: Array.from({ length: 256 }, (_, ordinal) => ordinal),
          attributes: [],
          strictAffinity: false,
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: {
          name: node.name,
          annotations: {
            'projectcalico.org/IPv4Address': node.address,
            ...(vxlanMode === 'Never' ? {} : { 'projectcalico.org/IPv4VXLANTunnelAddr': `10.244.${i}.1` }),
          },
        },
        spec: {},
      },
    ]);
    return [pool, ...perNode];
  }
}

function assign(kernel: Kernel, name: string, address: string): void {
  const link = kernel.link(name);
  if (link === undefined) throw new Error(`Cannot assign ${address}: interface ${name} is absent`);
  kernel.replaceAddress({ link: link.index, address: cidr(address), scope: 'universe', noDad: true });
}

function route(kernel: Kernel, destination: string, gateway: string): void {
  kernel.replaceRoute({
    destination: cidr(destination),
    table: 254,
    protocol: 4,
    scope: 'universe',
    type: 'unicast',
    gateway: addr(gateway),
  });
}
