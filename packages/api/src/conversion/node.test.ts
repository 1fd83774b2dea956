import { expect, test } from 'bun:test';
import type { Node } from '../kinds/kubernetes/node.ts';
import { calicoNodeAnnotations, nodeToCalicoNode } from './node.ts';

const annotations: Record<string, string> = {
  'projectcalico.org/IPv4Address': '192.0.2.11/24',
  'projectcalico.org/IPv6Address': '2001:db8::11/64',
  'projectcalico.org/ASNumber': '64512',
  'projectcalico.org/IPv4IPIPTunnelAddr': '10.244.0.1',
  'projectcalico.org/RouteReflectorClusterID': '244.0.0.1',
  'projectcalico.org/IPv4VXLANTunnelAddr': '10.244.0.2',
  'projectcalico.org/IPv6VXLANTunnelAddr': 'fd00::2',
  'projectcalico.org/VXLANTunnelMACAddr': '66:01:02:03:04:05',
  'projectcalico.org/VXLANTunnelMACAddrV6': '66:01:02:03:04:06',
  'projectcalico.org/IPv4WireguardInterfaceAddr': '10.244.0.3',
  'projectcalico.org/IPv6WireguardInterfaceAddr': 'fd00::3',
  'projectcalico.org/WireguardPublicKey': 'key=',
  'projectcalico.org/WireguardPublicKeyV6': 'key6=',
  'projectcalico.org/Interfaces': '[{"name":"eth0","addresses":["192.0.2.11"]}]',
};

function node(given: Record<string, string>, more: Partial<Node> = {}): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1', annotations: given, labels: { rack: 'a' } },
    spec: {},
    ...more,
  };
}

test('nodeToCalicoNode reads every annotation and the addresses of Kubernetes', () => {
  const given = node(annotations, {
    spec: { podCIDRs: ['10.244.0.0/24'] },
    status: {
      addresses: [
        { type: 'InternalIP', address: '192.0.2.11' },
        { type: 'ExternalIP', address: '203.0.113.1' },
        { type: 'Hostname', address: 'node-1' },
      ],
    },
  });
  expect(nodeToCalicoNode(given)).toEqual({
    apiVersion: 'projectcalico.org/v3',
    kind: 'Node',
    metadata: { name: 'node-1', labels: { rack: 'a' } },
    spec: {
      bgp: {
        asNumber: 64512,
        ipv4Address: '192.0.2.11/24',
        ipv6Address: '2001:db8::11/64',
        ipv4IPIPTunnelAddr: '10.244.0.1',
        routeReflectorClusterID: '244.0.0.1',
      },
      ipv4VXLANTunnelAddr: '10.244.0.2',
      ipv6VXLANTunnelAddr: 'fd00::2',
      vxlanTunnelMACAddr: '66:01:02:03:04:05',
      vxlanTunnelMACAddrV6: '66:01:02:03:04:06',
      orchRefs: [{ nodeName: 'node-1', orchestrator: 'k8s' }],
      wireguard: { interfaceIPv4Address: '10.244.0.3', interfaceIPv6Address: 'fd00::3' },
      addresses: [
        { address: '192.0.2.11/24', type: 'CalicoNodeIP' },
        { address: '2001:db8::11/64', type: 'CalicoNodeIP' },
        { address: '192.0.2.11', type: 'InternalIP' },
        { address: '203.0.113.1', type: 'ExternalIP' },
      ],
      interfaces: [{ name: 'eth0', addresses: ['192.0.2.11'] }],
    },
    status: { wireguardPublicKey: 'key=', wireguardPublicKeyV6: 'key6=', podCIDRs: ['10.244.0.0/24'] },
  });
});

test('calicoNodeAnnotations gives back the annotations that were read', () => {
  expect(calicoNodeAnnotations(nodeToCalicoNode(node(annotations)))).toEqual(annotations);
});

test('calicoNodeAnnotations takes away what a node does not have', () => {
  const patch = calicoNodeAnnotations(nodeToCalicoNode(node({ 'projectcalico.org/ASNumber': '65000.1' })));
  expect(patch['projectcalico.org/ASNumber']).toBe('4259840001');
  expect(patch['projectcalico.org/IPv4Address']).toBeNull();
  expect(Object.keys(patch).sort()).toEqual(Object.keys(annotations).sort());
});

test('nodeToCalicoNode takes annotations that do not parse for absent', () => {
  const { spec } = nodeToCalicoNode(
    node({
      'projectcalico.org/IPv4Address': 'here',
      'projectcalico.org/ASNumber': '-1',
      'projectcalico.org/IPv4VXLANTunnelAddr': '',
      'projectcalico.org/Interfaces': '{}',
    }),
  );
  expect(spec).toEqual({ orchRefs: [{ nodeName: 'node-1', orchestrator: 'k8s' }] });
});
