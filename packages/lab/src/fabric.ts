import { cidr } from '@calico/ip';
import type { Kernel, Namespace } from '@calico/kernel';
import { createNamespace, openKernel } from '@calico/kernel/linux';
import type { LabPlan } from './plan.ts';

/** A machine of the lab: its network namespace and a kernel handle inside it. */
export interface Machine {
  readonly name: string;
  readonly namespace: Namespace;
  readonly kernel: Kernel;
}

/** The lab's network: nodes, router and the machine outside, wired by bridges. */
export interface Fabric {
  readonly nodes: readonly Machine[];
  readonly router: Machine;
  readonly external: Machine;
}

/** Where `ip netns` looks for named namespaces. */
export const namespaceFolder = '/run/netns';

/**
 * Builds the network of the plan. The bridges come to be in the namespace of `home`, the machines in namespaces of their
 * own, pinned in /run/netns under the plan's names with `prefix` in front.
 */
export function buildFabric(plan: LabPlan, home: Kernel, prefix = ''): Fabric {
  const createMachine = (name: string) => newMachine(name, `${namespaceFolder}/${prefix}${name}`);
  raiseLoopback(home);
  for (const { bridge } of plan.router.ports) {
    home.createLink({ kind: 'bridge', name: bridge, up: true });
  }
  const router = createMachine('router');
  router.kernel.setSysctl('net/ipv4/ip_forward', '1');
  for (const { bridge, address } of plan.router.ports) plugIn(home, router, bridge, address, bridge);

  const external = createMachine('external');
  connect(router, plan.router.outside, external, plan.external.address);
  addDefaultRoute(external.kernel, plan.external.gateway);

  const nodes = plan.nodes.map(node => {
    const machine = createMachine(node.name);
    plugIn(home, machine, 'eth0', node.address, node.bridge);
    addDefaultRoute(machine.kernel, node.gateway);
    return machine;
  });
  return { nodes, router, external };
}

function newMachine(name: string, path: string): Machine {
  const namespace = createNamespace(path);
  const kernel = openKernel({ namespace });
  raiseLoopback(kernel);
  return { name, namespace, kernel };
}

/** Brings loopback up, with the addresses that this gives it. */
export function raiseLoopback(kernel: Kernel): void {
  const loopback = kernel.link('lo');
  if (loopback !== undefined) kernel.setLink(loopback.index, { up: true });
}

/** Connects a machine to a bridge of the home namespace. */
function plugIn(home: Kernel, machine: Machine, name: string, address: string, bridge: string): void {
  const peer = { name, namespace: machine.namespace };
  const port = home.createLink({ kind: 'veth', name: portName(machine.name, bridge), peer });
  const master = home.link(bridge);
  if (master === undefined) throw new Error(`Cannot plug ${machine.name} in: bridge ${bridge} is absent`);
  home.setLink(port.index, { master: master.index, up: true });
  assign(machine.kernel, name, address);
}

function portName(machine: string, bridge: string): string {
  return `${machine}-${bridge.slice(-1)}`;
}

function connect(router: Machine, routerAddress: string, other: Machine, otherAddress: string): void {
  router.kernel.createLink({
    kind: 'veth',
    name: 'outside',
    up: true,
    peer: { name: 'eth0', namespace: other.namespace },
  });
  assign(router.kernel, 'outside', routerAddress);
  assign(other.kernel, 'eth0', otherAddress);
}

function assign(kernel: Kernel, name: string, address: string): void {
  const link = kernel.link(name);
  if (link === undefined) throw new Error(`Cannot assign ${address}: interface ${name} is absent`);
  kernel.setLink(link.index, { up: true });
  kernel.replaceAddress({ link: link.index, address: cidr(address), scope: 'universe' });
}

/** linux/rtnetlink.h RT_TABLE_MAIN, RTPROT_STATIC */
const mainTable = 254;
const staticProtocol = 4;

function addDefaultRoute(kernel: Kernel, gateway: string): void {
  kernel.replaceRoute({
    destination: cidr('0.0.0.0/0'),
    table: mainTable,
    protocol: staticProtocol,
    scope: 'universe',
    type: 'unicast',
    gateway: cidr(gateway).addr,
  });
}
