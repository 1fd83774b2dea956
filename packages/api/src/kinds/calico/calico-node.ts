import { parseCidr } from '@calico/ip';
import type { Static } from 'typebox';
import { nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { FieldErrors } from '../../field-error.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { formatted, lazy, list, matching, object, oneOf, text } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { asNumber, numberAsNumbers } from './values.ts';

const mac = (description: string) =>
  matching('^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$', 'a hardware address such as "66:0a:00:00:00:01"', { description });

const spec = lazy(() =>
  object(
    {},
    {
      bgp: object(
        {},
        {
          asNumber: asNumber('The AS number of the node; that of the cluster if not given.'),
          ipv4Address: formatted('cidr', { description: 'Address with the length of its network: 192.0.2.11/24.' }),
          ipv6Address: formatted('cidr', { description: 'Address with the length of its network: 2001:db8::11/64.' }),
          ipv4IPIPTunnelAddr: formatted('ipv4', { description: 'Address of the IP in IP device.' }),
          routeReflectorClusterID: formatted('ipv4', {
            description: 'The cluster that the node reflects routes for, written as an IPv4 address.',
          }),
        },
        { description: 'How the node speaks BGP; without it, it does not.' },
      ),
      ipv4VXLANTunnelAddr: formatted('ipv4', { description: 'Address of the VXLAN device for IPv4.' }),
      ipv6VXLANTunnelAddr: formatted('ipv6', { description: 'Address of the VXLAN device for IPv6.' }),
      vxlanTunnelMACAddr: mac('Hardware address of the VXLAN device for IPv4.'),
      vxlanTunnelMACAddrV6: mac('Hardware address of the VXLAN device for IPv6.'),
      orchRefs: list(
        object(
          { orchestrator: text({ description: 'Such as "k8s".' }) },
          { nodeName: text({ description: 'What it calls the node.' }) },
        ),
        { description: 'The orchestrators that know the node.' },
      ),
      wireguard: object(
        {},
        {
          interfaceIPv4Address: formatted('ipv4', { description: 'IPv4 address of the WireGuard device.' }),
          interfaceIPv6Address: formatted('ipv6', { description: 'IPv6 address of the WireGuard device.' }),
        },
      ),
      addresses: list(
        object(
          { address: text({ description: 'An address, also with the length of its network.' }) },
          { type: oneOf(['CalicoNodeIP', 'InternalIP', 'ExternalIP'], { description: 'What the address is for.' }) },
        ),
        { description: 'Addresses that the node is known by.' },
      ),
      interfaces: list(
        object({
          name: text({ description: 'The interface.' }),
          addresses: list(text(), { description: 'Its addresses.' }),
        }),
        { description: 'Interfaces that host endpoints may be made for.' },
      ),
    },
  ),
);

const status = lazy(() =>
  object(
    {},
    {
      wireguardPublicKey: text({ description: 'The public key for IPv4.' }),
      wireguardPublicKeyV6: text({ description: 'The public key for IPv6.' }),
      podCIDRs: list(text(), { description: 'What Kubernetes gave the node for its pods.' }),
    },
  ),
);

export type CalicoNodeSpec = Static<ReturnType<typeof spec>>;
/** What a node says of itself. */
export type CalicoNodeObserved = Static<ReturnType<typeof status>>;
export type CalicoNode = Resource<CalicoNodeSpec, CalicoNodeObserved>;

function nodeRules({ spec: { bgp } }: CalicoNode, errors: FieldErrors): void {
  if (bgp === undefined) return;
  if (Object.keys(bgp).length === 0) errors.required('spec.bgp', 'at least one field, or no bgp at all');
  for (const [field, family] of [
    ['ipv4Address', 4],
    ['ipv6Address', 6],
  ] as const) {
    const address = bgp[field];
    if (address !== undefined && parseCidr(address)?.addr.family !== family) {
      errors.invalid(`spec.bgp.${field}`, address, `must be an IPv${family} address with the length of its network`);
    }
  }
}

/**
 * What Calico knows of a node. On Kubernetes it is derived from the Node there and its annotations; only etcd stores it
 * as such. It is not among `kinds`, where "Node" is that of Kubernetes.
 */
export const CalicoNode: Kind<CalicoNode> = defineKind<CalicoNode>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no', 'nos'],
  namespaced: false,
  served: false,
  description: 'What Calico knows of a node: how it speaks BGP, its addresses and those of its tunnels.',
  spec,
  status,
  columns: [nameColumn()],
  defaults: node => {
    if (typeof node.spec === 'object' && node.spec !== null) numberAsNumbers(node.spec.bgp, ['asNumber']);
    return node;
  },
  rules: nodeRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'Node',
    metadata: { name: 'node-1' },
    spec: {
      bgp: { asNumber: 64512, ipv4Address: '192.0.2.11/24', ipv4IPIPTunnelAddr: '10.244.0.1' },
      vxlanTunnelMACAddr: '66:0a:00:00:00:01',
      orchRefs: [{ nodeName: 'node-1', orchestrator: 'k8s' }],
      addresses: [{ address: '192.0.2.11/24', type: 'CalicoNodeIP' }],
    },
  }),
});

/** The addresses of a node's ends of tunnels, as text: IP in IP, VXLAN, WireGuard. */
export function nodeTunnelAddresses({ spec }: CalicoNode): string[] {
  const { bgp, ipv4VXLANTunnelAddr, ipv6VXLANTunnelAddr, wireguard } = spec;
  return [
    bgp?.ipv4IPIPTunnelAddr,
    ipv4VXLANTunnelAddr,
    ipv6VXLANTunnelAddr,
    wireguard?.interfaceIPv4Address,
    wireguard?.interfaceIPv6Address,
  ].filter(address => address !== undefined);
}
