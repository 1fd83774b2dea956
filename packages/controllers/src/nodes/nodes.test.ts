import { describe, expect, test } from 'bun:test';
import { CalicoNode, HostEndpoint, Node } from '@calico/api';
import { addNodes, newTestWorld } from '../testing.ts';
import { endpointName, type HostEndpointConfig, hostEndpointsOf, startHostEndpoints } from './host-endpoints.ts';
import { startNodeSync, withKubernetesLabels } from './label-sync.ts';

const config: HostEndpointConfig = { autoHostEndpoints: true, defaultHostEndpoint: true, hostEndpointTemplates: [] };
const at = 'projectcalico.org/v3';

function calicoNode(spec: CalicoNode['spec'] = {}, labels: Record<string, string> = {}): CalicoNode {
  return { apiVersion: at, kind: 'Node', metadata: { name: 'one', labels }, spec };
}

const full = calicoNode(
  {
    bgp: { ipv4Address: '192.0.2.1/24', ipv6Address: '2001:db8::1/64', ipv4IPIPTunnelAddr: '10.0.0.1' },
    ipv4VXLANTunnelAddr: '10.0.0.2',
    ipv6VXLANTunnelAddr: 'fd00::2',
    wireguard: { interfaceIPv4Address: '10.0.0.3', interfaceIPv6Address: 'fd00::3' },
    addresses: [
      { address: '192.0.2.1', type: 'InternalIP' },
      { address: '198.51.100.9', type: 'ExternalIP' },
      { address: '192.0.2.77', type: 'InternalIP' },
    ],
    interfaces: [
      { name: 'eth0', addresses: ['192.0.2.1/24'] },
      { name: 'eth1', addresses: ['203.0.113.5/24', '203.0.113.6/24'] },
    ],
  },
  { zone: 'a' },
);

describe('host endpoints of a node', () => {
  test('the default one has all interfaces and every address once, in order', () => {
    expect(hostEndpointsOf(full, config)).toEqual([
      {
        apiVersion: at,
        kind: 'HostEndpoint',
        metadata: {
          name: 'one-auto-hep',
          labels: { zone: 'a', 'projectcalico.org/created-by': 'calico-kube-controllers' },
          annotations: {},
        },
        spec: {
          node: 'one',
          interfaceName: '*',
          expectedIPs: [
            '192.0.2.1',
            '2001:db8::1',
            '10.0.0.1',
            '10.0.0.2',
            'fd00::2',
            '10.0.0.3',
            'fd00::3',
            '192.0.2.77',
            '203.0.113.5',
            '203.0.113.6',
          ],
          profiles: ['projectcalico-default-allow'],
        },
      },
    ]);
    for (const endpoint of hostEndpointsOf(full, config)) expect(HostEndpoint.validate(endpoint)).toEqual([]);
  });

  const cases: { name: string; template: HostEndpointConfig['hostEndpointTemplates'][number]; want: unknown[] }[] = [
    {
      name: 'a template takes the addresses of its CIDRs',
      template: {
        generateName: 'dmz',
        interfaceCIDRs: ['203.0.113.0/24'],
        labels: { zone: 'b' },
        annotations: { a: 'b' },
      },
      want: [
        {
          metadata: { name: 'one-dmz-auto-hep', labels: { zone: 'b' }, annotations: { a: 'b' } },
          spec: { node: 'one', expectedIPs: ['203.0.113.5', '203.0.113.6'] },
        },
      ],
    },
    {
      name: 'one without any address is left out',
      template: { generateName: 'x', interfaceCIDRs: ['10.99.0.0/16'] },
      want: [],
    },
    {
      name: 'a pattern makes one for each interface',
      template: { generateName: 'nic', interfacePattern: '^eth' },
      want: [
        { metadata: { name: 'one-nic-eth0-auto-hep' }, spec: { interfaceName: 'eth0', expectedIPs: ['192.0.2.1'] } },
        {
          metadata: { name: 'one-nic-eth1-auto-hep' },
          spec: { interfaceName: 'eth1', expectedIPs: ['203.0.113.5', '203.0.113.6'] },
        },
      ],
    },
    {
      name: 'a template of other nodes makes none',
      template: { generateName: 'x', interfacePattern: 'eth', nodeSelector: 'zone == "b"' },
      want: [],
    },
  ];
  for (const { name, template, want } of cases) {
    test(name, () => {
      const made = hostEndpointsOf(full, { ...config, defaultHostEndpoint: false, hostEndpointTemplates: [template] });
      expect(made).toMatchObject(want);
      expect(made).toHaveLength(want.length);
      for (const endpoint of made) expect(HostEndpoint.validate(endpoint)).toEqual([]);
    });
  }

  test('a name that would be too long is a hash', () => {
    const name = endpointName(['n'.repeat(250)]);
    expect(name).toMatch(/^[a-z0-9]{30,43}-auto-hep$/);
    expect(endpointName(['n'.repeat(244)])).toHaveLength(253);
  });
});

test('host endpoints are made, follow their node and go with it; those of others are left alone', async () => {
  const world = await newTestWorld();
  const { kubernetes, calico, clock } = world;
  await addNodes(kubernetes, 'one', 'two');
  const foreign = { apiVersion: at, kind: 'HostEndpoint', spec: { node: 'two', interfaceName: 'eth0' } } as const;
  await calico.create(HostEndpoint, { ...foreign, metadata: { name: 'two-auto-hep' } });
  const context = world.open();
  startHostEndpoints(context, config);
  const names = async () => (await calico.list(HostEndpoint)).items.map(({ metadata }) => metadata.name);
  await clock.advance(1000);
  expect(await names()).toEqual(['one-auto-hep', 'two-auto-hep']);
  expect((await calico.get(HostEndpoint, { name: 'two-auto-hep' })).spec.interfaceName).toBe('eth0');
  const annotations = { 'projectcalico.org/IPv4Address': '192.0.2.9/24' };
  await kubernetes.patch(Node, { name: 'one' }, { metadata: { annotations } }, { type: 'merge' });
  await clock.advance(1000);
  expect((await calico.get(HostEndpoint, { name: 'one-auto-hep' })).spec.expectedIPs).toEqual(['192.0.2.9']);
  await calico.delete(HostEndpoint, { name: 'one-auto-hep' });
  await clock.advance(1000);
  expect(await names()).toEqual(['one-auto-hep', 'two-auto-hep']);
  context.stop();
  const off = world.open();
  startHostEndpoints(off, { ...config, autoHostEndpoints: false });
  await clock.advance(1000);
  expect(await names()).toEqual(['two-auto-hep']);
  off.stop();
});

describe('labels of Kubernetes’ nodes', () => {
  const kubeLabels = 'projectcalico.org/kube-labels';
  test('are copied, and only those copied go again', () => {
    const first = withKubernetesLabels(calicoNode({}, { own: 'x', zone: 'mine' }), { zone: 'a', rack: '1' });
    expect(first?.metadata.labels).toEqual({ own: 'x', zone: 'a', rack: '1' });
    expect(first?.metadata.annotations?.[kubeLabels]).toBe('{"rack":"1","zone":"a"}');
    const second = first && withKubernetesLabels(first, { rack: '2' });
    expect(second?.metadata.labels).toEqual({ own: 'x', rack: '2' });
    expect(second && withKubernetesLabels(second, { rack: '2' })).toBeUndefined();
  });

  test('are copied over what an annotation that cannot be read says', () => {
    const node = calicoNode({}, { own: 'x' });
    node.metadata.annotations = { [kubeLabels]: '{' };
    expect(withKubernetesLabels(node, { a: 'b' })?.metadata.labels).toEqual({ own: 'x', a: 'b' });
  });
});

test('Calico’s nodes in etcd get labels, and go with their node of Kubernetes, which is asked for once more', async () => {
  const world = await newTestWorld({ separate: true });
  await addNodes(world.kubernetes, 'kube-1');
  await world.kubernetes.patch(Node, { name: 'kube-1' }, { metadata: { labels: { zone: 'a' } } }, { type: 'merge' });
  const node = (name: string, nodeName?: string): CalicoNode => ({
    ...calicoNode(nodeName === undefined ? {} : { orchRefs: [{ orchestrator: 'k8s', nodeName }] }),
    metadata: { name },
  });
  for (const one of [node('one', 'kube-1'), node('gone', 'kube-2'), node('bare-metal')]) {
    await world.calico.create(CalicoNode, one);
  }
  const context = world.open();
  startNodeSync(context, { reconcilerMs: 300_000, workers: 1, syncLabels: true });
  await world.clock.advance(1000);
  const { items } = await world.calico.list(CalicoNode);
  expect(items.map(({ metadata }) => [metadata.name, metadata.labels?.zone])).toEqual([
    ['bare-metal', undefined],
    ['one', 'a'],
  ]);
  context.stop();
});
