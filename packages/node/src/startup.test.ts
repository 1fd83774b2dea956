import { describe, expect, test } from 'bun:test';
import {
  BGPConfiguration,
  CalicoNode,
  ClusterInformation,
  ConfigMap,
  FelixConfiguration,
  IPAMConfiguration,
  IPPool,
  Node,
  nodeToCalicoNode,
  Tier,
} from '@calico/api';
import { isNotFound } from '@calico/datastore';
import { type MemoryClient, memoryClient } from '@calico/datastore/memory';
import { addr, cidr } from '@calico/ip';
import { ClockFake, seededRandom } from '@calico/reconcile';
import type { HostInterface } from './addresses/host-interface.ts';
import type { NodeLog } from './log.ts';
import { kubernetesNodes, storedNodes } from './node-store.ts';
import { readStartupSettings, startNode } from './startup.ts';

const eth0: HostInterface = { name: 'eth0', mtu: 1500, up: true, addresses: [cidr('192.0.2.11/24')] };

/** One node of a cluster in memory; `etcd` keeps Calico's objects apart from those of Kubernetes. */
class Desk {
  readonly clock = new ClockFake();
  readonly kubernetes: MemoryClient = memoryClient({ clock: this.clock });
  readonly client: MemoryClient;
  readonly lines: string[] = [];
  readonly upgraded: string[] = [];
  readonly #etcd: boolean;
  interfaces: HostInterface[] = [eth0];

  constructor(datastore: 'kubernetes' | 'etcd' = 'kubernetes') {
    this.#etcd = datastore === 'etcd';
    this.client = this.#etcd ? memoryClient({ clock: this.clock }) : this.kubernetes;
  }

  async register(name: string, annotations: Record<string, string> = {}): Promise<void> {
    await this.kubernetes.create(Node, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, annotations },
      spec: {},
    });
  }

  get nodes() {
    return this.#etcd ? storedNodes(this.client) : kubernetesNodes(this.client);
  }

  start(env: Record<string, string> = {}, name = 'node-1'): Promise<void> {
    const say = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
      const details = Object.entries(fields).map(
        ([key, value]) => `${key}=${value instanceof Error ? value.message : value}`,
      );
      this.lines.push(`${level}: ${message} ${details.join(' ')}`);
    };
    const log: NodeLog = { debug: say('debug'), info: say('info'), warn: say('warn') };
    return startNode(readStartupSettings({ IP: 'autodetect', ...env }, name), {
      client: this.client,
      kubernetes: this.kubernetes,
      nodes: this.nodes,
      ipam: {
        upgradeNode: async node => {
          this.upgraded.push(node);
        },
      },
      surroundings: async () => ({
        interfaces: this.interfaces,
        internalIps: async () => undefined,
        reach: async () => addr('192.0.2.11'),
      }),
      hostAddresses: () => this.interfaces.flatMap(({ addresses }) => addresses.map(each => each.addr)),
      hostHasIpv6: () => false,
      version: 'v9',
      clock: this.clock,
      random: seededRandom(7),
      log,
    });
  }

  async failure(env: Record<string, string> = {}, name = 'node-1'): Promise<string> {
    return this.start(env, name).then(
      () => 'none',
      (error: Error) => error.message,
    );
  }
}

describe.each(['kubernetes', 'etcd'] as const)('startNode with %s', datastore => {
  test('writes the node, pool, default objects', async () => {
    const desk = new Desk(datastore);
    await desk.register('node-1');
    await desk.start({ AS: '65000.1', CLUSTER_TYPE: 'k8s,bgp' });
    const node = await desk.nodes.get('node-1');
    expect(node.spec.bgp).toEqual({ ipv4Address: '192.0.2.11/24', asNumber: 4259840001 });
    expect(node.spec.interfaces).toEqual([{ name: 'eth0', addresses: ['192.0.2.11'] }]);
    expect(desk.upgraded).toEqual(['node-1']);

    const { client } = desk;
    expect((await client.get(IPPool, { name: 'default-ipv4-ippool' })).spec.cidr).toBe('192.168.0.0/16');
    const { spec } = await client.get(ClusterInformation, { name: 'default' });
    expect(spec).toMatchObject({
      calicoVersion: 'v9',
      datastoreReady: true,
      clusterType: datastore === 'kubernetes' ? 'k8s,bgp,kdd' : 'k8s,bgp',
    });
    expect(spec.clusterGUID).toMatch(/^[0-9a-f]{32}$/);
    const tiers = (await client.list(Tier)).items.map(tier => [tier.metadata.name, tier.spec.defaultAction]);
    expect(tiers.sort()).toEqual([
      ['default', 'Deny'],
      ['kube-admin', 'Pass'],
      ['kube-baseline', 'Pass'],
    ]);
    const felix = await client.get(FelixConfiguration, { name: 'default' });
    expect(felix.spec).toMatchObject({ reportingInterval: '0s', logSeverityScreen: 'Info' });
    expect((await client.get(BGPConfiguration, { name: 'default' })).metadata.name).toBe('default');
    expect((await client.get(IPAMConfiguration, { name: 'default' })).spec).toMatchObject({
      autoAllocateBlocks: true,
      strictAffinity: false,
      kubeVirtVMAddressPersistence: 'Enabled',
    });
    const own = await client.get(FelixConfiguration, { name: 'node.node-1' }).catch(isNotFound);
    if (datastore === 'kubernetes') expect(own).toBe(true);
    else expect(own).toMatchObject({ spec: { defaultEndpointToHostAction: 'Return' } });
  });

  test('a second time writes nothing', async () => {
    const desk = new Desk(datastore);
    await desk.register('node-1');
    await desk.start();
    const versions = async () =>
      Promise.all(
        [IPPool, ClusterInformation, Tier, FelixConfiguration, BGPConfiguration, IPAMConfiguration].map(async kind =>
          (await desk.client.list(kind as typeof IPPool)).items.map(({ metadata }) => metadata.resourceVersion),
        ),
      );
    // With something else in the node, whose order in the object may change.
    await desk.nodes.change('node-1', node => ({ ...node, spec: { ...node.spec, ipv4VXLANTunnelAddr: '10.0.0.1' } }));
    const before = [await versions(), await desk.nodes.get('node-1')];
    await desk.start();
    expect([await versions(), await desk.nodes.get('node-1')]).toEqual(before);
  });

  test('what somebody has set stays', async () => {
    const desk = new Desk(datastore);
    await desk.register('node-1');
    const v3 = { apiVersion: 'projectcalico.org/v3' };
    const metadata = { name: 'default' };
    await desk.client.create(ClusterInformation, {
      ...v3,
      kind: 'ClusterInformation',
      metadata,
      spec: { clusterType: 'typha,k8s', datastoreReady: false, clusterGUID: 'a'.repeat(32), calicoVersion: 'v8' },
    });
    await desk.client.create(FelixConfiguration, {
      ...v3,
      kind: 'FelixConfiguration',
      metadata,
      spec: { logSeverityScreen: 'Debug', vxlanPort: 4790 },
    });
    await desk.client.create(IPAMConfiguration, {
      ...v3,
      kind: 'IPAMConfiguration',
      metadata,
      spec: { strictAffinity: true, autoAllocateBlocks: true },
    });
    await desk.start({ CLUSTER_TYPE: 'k8s,bgp' });
    const { spec } = await desk.client.get(ClusterInformation, { name: 'default' });
    expect(spec).toMatchObject({ datastoreReady: false, clusterGUID: 'a'.repeat(32), calicoVersion: 'v9' });
    expect(spec.clusterType).toBe(datastore === 'kubernetes' ? 'typha,k8s,bgp,kdd' : 'typha,k8s,bgp');
    expect((await desk.client.get(FelixConfiguration, { name: 'default' })).spec).toMatchObject({
      logSeverityScreen: 'Debug',
      vxlanPort: 4790,
      reportingInterval: '0s',
    });
    expect((await desk.client.get(IPAMConfiguration, { name: 'default' })).spec.strictAffinity).toBe(true);
  });

  test('an address of another node is refused by that node’s name, and the stored one cleared', async () => {
    const desk = new Desk(datastore);
    await desk.register('node-1');
    await desk.register('node-2');
    await desk.start({}, 'node-2');
    desk.interfaces = [{ ...eth0, addresses: [cidr('192.0.2.12/24')] }];
    await desk.start();
    desk.interfaces = [eth0];
    expect(await desk.failure()).toBe(
      'Cannot start node "node-1": 192.0.2.11 is the address of node "node-2" already; give one of them another address, delete that node if it is gone, or set DISABLE_NODE_IP_CHECK=true',
    );
    expect((await desk.nodes.get('node-1')).spec.bgp).toBeUndefined();
    expect((await desk.nodes.get('node-2')).spec.bgp?.ipv4Address).toBe('192.0.2.11/24');
    await desk.start({ DISABLE_NODE_IP_CHECK: 'true' });
    expect((await desk.nodes.get('node-1')).spec.bgp?.ipv4Address).toBe('192.0.2.11/24');
  });

  test('two nodes that write the default objects at once both start', async () => {
    const desk = new Desk(datastore);
    await desk.register('node-1');
    await desk.register('node-2');
    const other = { ...eth0, addresses: [cidr('192.0.2.12/24')] };
    const first = desk.start({ CLUSTER_TYPE: 'a' });
    desk.interfaces = [other];
    const both = Promise.all([first, desk.start({ CLUSTER_TYPE: 'b', IP: '192.0.2.12' }, 'node-2')]);
    await desk.clock.advance(10_000);
    await both;
    const { spec } = await desk.client.get(ClusterInformation, { name: 'default' });
    expect(new Set(spec.clusterType?.split(','))).toEqual(
      new Set(datastore === 'kubernetes' ? ['a', 'b', 'kdd'] : ['a', 'b']),
    );
  });
});

test('a node that no kubelet has registered is refused with Kubernetes, and made with etcd', async () => {
  expect(await new Desk().failure()).toContain('Node(node-1)');
  const desk = new Desk('etcd');
  await desk.start();
  expect((await desk.client.get(CalicoNode, { name: 'node-1' })).spec.bgp?.ipv4Address).toBe('192.0.2.11/24');
});

test('a node that is to be called otherwise in Kubernetes says so in etcd', async () => {
  const desk = new Desk('etcd');
  await desk.start({ CALICO_K8S_NODE_REF: 'ip-192-0-2-11' });
  expect((await desk.nodes.get('node-1')).spec.orchRefs).toEqual([{ nodeName: 'ip-192-0-2-11', orchestrator: 'k8s' }]);
});

test('annotations of others and tunnel addresses stay when addresses change', async () => {
  const desk = new Desk();
  await desk.register('node-1', { mine: 'x', 'projectcalico.org/IPv4VXLANTunnelAddr': '10.0.0.1' });
  await desk.start({ AS: '65000' });
  expect((await desk.kubernetes.get(Node, { name: 'node-1' })).metadata.annotations).toEqual({
    mine: 'x',
    'projectcalico.org/IPv4VXLANTunnelAddr': '10.0.0.1',
    'projectcalico.org/IPv4Address': '192.0.2.11/24',
    'projectcalico.org/ASNumber': '65000',
    'projectcalico.org/Interfaces': '[{"name":"eth0","addresses":["192.0.2.11"]}]',
  });
});

test('kubeadm’s pods’ CIDR is the pool’s, and kubeadm and Rancher part of the cluster’s type', async () => {
  const desk = new Desk();
  await desk.register('node-1');
  for (const [name, data] of [
    ['kubeadm-config', { ClusterConfiguration: 'networking:\n  podSubnet: 10.244.0.0/16\n' }],
    ['full-cluster-state', {}],
  ] as const) {
    await desk.kubernetes.create(ConfigMap, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: 'kube-system' },
      data,
    });
  }
  await desk.start({ CLUSTER_TYPE: 'k8s' });
  expect((await desk.client.get(IPPool, { name: 'default-ipv4-ippool' })).spec.cidr).toBe('10.244.0.0/16');
  const { spec } = await desk.client.get(ClusterInformation, { name: 'default' });
  expect(spec.clusterType).toBe('k8s,kubeadm,rancher,kdd');
});

test('installers’ ConfigMaps that may not be read count as absent; other trouble ends the start', async () => {
  const desk = new Desk();
  await desk.register('node-1');
  desk.kubernetes.failNext('get', { code: 'Forbidden' }, ConfigMap);
  await desk.start();
  expect(desk.lines.join('\n')).toContain('Not allowed to read a ConfigMap');
  desk.kubernetes.failNext('get', { code: 'Unavailable', reason: 'no route' }, ConfigMap);
  expect(await desk.failure()).toContain('no route');
});

test('tiers that this node may not create are left to others', async () => {
  const desk = new Desk();
  await desk.register('node-1');
  desk.client.failNext('create', { code: 'Forbidden' }, Tier);
  await desk.start();
  expect((await desk.client.list(Tier)).items).toHaveLength(2);
});

test('policy alone needs no address', async () => {
  const desk = new Desk();
  desk.interfaces = [];
  await desk.register('node-1', { 'projectcalico.org/IPv4Address': '192.0.2.7/24' });
  await desk.start({ CALICO_NETWORKING_BACKEND: 'none', AS: '1', IP: 'autodetect' });
  expect(nodeToCalicoNode(await desk.kubernetes.get(Node, { name: 'node-1' })).spec.bgp).toEqual({
    ipv4Address: '192.0.2.7/24',
  });
});

test('a detected address that is gone is cleared before the node is refused, but what was never detected is not', async () => {
  const desk = new Desk();
  await desk.register('node-1', {
    'projectcalico.org/IPv4Address': '192.0.2.11/24',
    'projectcalico.org/IPv6Address': '2001:db8::1/64',
  });
  // IPv4 keeps what it has; IPv6, asked for by name, has none left to detect, but knows one from before: all stays.
  await desk.start({ IP: '192.0.2.11', IP6: 'autodetect' });
  expect((await desk.nodes.get('node-1')).spec.bgp?.ipv6Address).toBe('2001:db8::1/64');
  await desk.register('node-3', { 'projectcalico.org/IPv4Address': '192.0.2.13/24' });
  expect(await desk.failure({ IP: '192.0.2.13', IP6: 'autodetect' }, 'node-3')).toContain(
    'no IPv6 address was detected',
  );
  expect((await desk.nodes.get('node-3')).spec.bgp).toEqual({ ipv4Address: '192.0.2.13/24' });
});

test('WAIT_FOR_DATASTORE waits for an answer, any answer, and gives up only on one that does not know us', async () => {
  const desk = new Desk();
  await desk.register('node-1');
  for (const reason of ['one', 'two']) desk.client.failNext('get', { code: 'Unavailable', reason }, Node);
  const started = desk.start({ WAIT_FOR_DATASTORE: 'true' });
  await desk.clock.advance(1_999);
  expect((await desk.nodes.get('node-1')).spec.bgp).toBeUndefined();
  await desk.clock.advance(1);
  await started;
  expect((await desk.nodes.get('node-1')).spec.bgp?.ipv4Address).toBe('192.0.2.11/24');

  desk.client.failNext('get', { code: 'Unauthorized', reason: 'token is old' }, Node);
  expect(await desk.failure({ WAIT_FOR_DATASTORE: 'true' })).toContain('token is old');
});

test('readStartupSettings refuses an AS that is none', () => {
  expect(() => readStartupSettings({ AS: 'many' }, 'n')).toThrow(
    'Cannot start: AS is "many"; allowed: 0 to 4294967295',
  );
});
