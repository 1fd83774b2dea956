import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import { Dataplane, type DataplaneConfig, defaultDataplaneConfig } from '@calico/dataplane';
import { addr, cidr } from '@calico/ip';
import type { Kernel, Namespace } from '@calico/kernel';
import { createNamespace, deleteNamespace, fillThreadPool, openKernel } from '@calico/kernel/linux';
import { RawReceiver, RawSender, raiseLoopback } from '@calico/lab';
import { connectPod } from '../cluster/pod-interface.ts';
import { until } from './node-host.ts';

const isRoot = process.getuid?.() === 0;
const udp = 17;
const config: DataplaneConfig = { ...defaultDataplaneConfig, nodeName: 'node1' };

const service = '10.96.0.9';
const podIp = '10.96.5.5';
const clientIp = '192.0.2.1';
/** An address behind the router that belongs to no service, and one that says that all packets before have had their time. */
const other = '203.0.113.1';
const last = '203.0.113.2';

const allow = [{ index: 0, action: 'allow', matches: [] }] as const;
const program = { tiers: [], profiles: ['open'] };
const world: Message[] = [
  { kind: 'profileUpdate', profile: { id: 'open', ingress: allow, egress: allow } },
  {
    kind: 'endpointUpdate',
    id: 'default/pod',
    endpoint: {
      ...{ name: 'calipod', orchestrator: 'k8s', namespace: 'default', workload: 'pod', active: true },
      ...{
        ipv4: [`${podIp}/32`],
        ipv6: [],
        floatingIps: [],
        ingress: program,
        egress: program,
        allowSpoofedSources: [],
      },
    },
  },
  { kind: 'inSync' },
];
const advertised: Message = { kind: 'serviceNets', nets: ['10.96.0.0/16'] };

/** A client, a node with a pod, and the router of the node, to which services lead that nobody translates. */
describe.skipIf(!isRoot)(`packets to services that nobody translated${isRoot ? '' : ' (skipped: needs root)'}`, () => {
  const path = (name: string) => `/run/netns/service-loops-${process.pid}-${name}`;
  const names = ['client', 'node', 'router', 'pod'] as const;
  const namespaces = new Map<string, Namespace>();
  const closers: (() => void)[] = [];
  let node: Kernel;
  let receivers: RawReceiver[];
  let senders: Record<'client' | 'pod', RawSender>;
  let tag = 0;

  const make = (name: string): Kernel => {
    const namespace = createNamespace(path(name));
    namespaces.set(name, namespace);
    const kernel = openKernel({ namespace });
    closers.push(() => kernel.close());
    raiseLoopback(kernel);
    return kernel;
  };
  const route = (kernel: Kernel, destination: string, gateway: string) =>
    kernel.replaceRoute({
      ...{ destination: cidr(destination), gateway: addr(gateway), table: 254, protocol: 4 },
      ...{ scope: 'universe', type: 'unicast' },
    });
  const has = (kernel: Kernel, name: string, ...addresses: string[]): void => {
    const link = kernel.link(name)?.index ?? 0;
    kernel.setLink(link, { up: true });
    for (const text of addresses) kernel.replaceAddress({ link, address: cidr(text), scope: 'universe' });
  };

  beforeAll(async () => {
    await fillThreadPool();
    const [client, router] = [make('client'), make('router')];
    node = make('node');
    for (const [name, end] of [['eth0', 'client'] as const, ['eth1', 'router'] as const]) {
      const namespace = namespaces.get(end);
      if (namespace !== undefined) node.createLink({ kind: 'veth', name, peer: { name: 'eth0', namespace } });
    }
    has(node, 'eth0', '192.0.2.254/24');
    has(node, 'eth1', '198.51.100.254/24');
    has(client, 'eth0', `${clientIp}/24`);
    has(router, 'eth0', '198.51.100.1/24', `${service}/32`, `${other}/32`, `${last}/32`);
    route(client, '0.0.0.0/0', '192.0.2.254');
    route(router, '0.0.0.0/0', '198.51.100.254');
    route(node, '0.0.0.0/0', '198.51.100.1');
    const pod = connectPod(node, path('pod'), podIp, 'calipod');
    namespaces.set('pod', pod);
    const at = (name: string) => namespaces.get(name) as Namespace;
    receivers = [new RawReceiver(at('router'), [udp]), new RawReceiver(pod, [udp])];
    senders = { client: new RawSender(at('client')), pod: new RawSender(pod) };
    for (const each of [...receivers, ...Object.values(senders)]) closers.push(() => each.close());
  });
  afterAll(() => {
    for (const close of closers.reverse()) close();
    for (const namespace of namespaces.values()) namespace.close();
    for (const name of names) if (namespaces.has(name)) deleteNamespace(path(name));
  });

  const flows = {
    'client to service': ['client', service],
    'client to pod with an address of services': ['client', podIp],
    'client to other': ['client', other],
    'pod to service': ['pod', service],
    'pod to other': ['pod', other],
  } as const;

  /** The flows whose first packet arrives. */
  async function arriving(): Promise<string[]> {
    const arrived = new Set<number>();
    const send = (from: 'client' | 'pod', destination: string): number => {
      tag++;
      const source = from === 'pod' ? podIp : clientIp;
      const ports = { sourcePort: 20_000 + tag, destinationPort: 53 };
      senders[from].send({ source, destination, protocol: udp, ...ports, tag });
      return tag;
    };
    const look = (wanted: readonly number[]) => () => {
      for (const receiver of receivers) for (const each of receiver.take()) arrived.add(each);
      return wanted.every(each => arrived.has(each));
    };
    // Neighbours are found first: a packet that waits for one would come late.
    await until('packets find their way', () =>
      look([send('client', last), send('pod', last), send('client', podIp)])(),
    );
    const sent = Object.entries(flows).map(([name, [from, to]]) => ({ name, tag: send(from, to) }));
    await until('the last packets are there', look([send('client', last), send('pod', last), send('client', podIp)]));
    return sent.filter(each => arrived.has(each.tag)).map(({ name }) => name);
  }

  const all = Object.keys(flows);
  const notToServices = all.filter(name => !name.endsWith('to service'));

  test.each([
    { name: 'go on where none are advertised', action: 'Drop' as const, nets: [], want: all },
    { name: 'end where they are', action: 'Drop' as const, nets: [advertised], want: notToServices },
    { name: 'end with an answer', action: 'Reject' as const, nets: [advertised], want: notToServices },
    { name: 'go on where this is asked for', action: 'Disabled' as const, nets: [advertised], want: all },
  ])('$name', async ({ action, nets, want }) => {
    const dataplane = new Dataplane(node, { ...config, serviceLoopPrevention: action });
    dataplane.handle([...nets, ...world]);
    dataplane.apply();
    expect(await arriving()).toEqual(want);
  });
});
