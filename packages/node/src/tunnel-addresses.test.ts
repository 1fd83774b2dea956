import { expect, test } from 'bun:test';
import { IPPool, Node } from '@calico/api';
import { memoryClient } from '@calico/datastore/memory';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { kubernetesNodes, storedNodes } from './node-store.ts';
import { allocateTunnelAddresses } from './tunnel-addresses.ts';

const quiet = { debug() {}, info() {}, warn() {} };

async function desk(annotations: Record<string, string> = {}) {
  const clock = new ClockFake();
  const client = memoryClient({ clock });
  const nodes = kubernetesNodes(client);
  const ipam = new Ipam({ client, clock, random: seededRandom(3) });
  const metadata = { name: 'n', labels: { rack: 'a' }, annotations };
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata, spec: {} });
  const pool = (name: string, spec: IPPool['spec']) =>
    client.create(IPPool, IPPool.default({ apiVersion: IPPool.apiVersion, kind: 'IPPool', metadata: { name }, spec }));
  const allocate = (hostEncryption = false) =>
    allocateTunnelAddresses('n', { nodes, ipam, log: quiet, hostEncryption });
  const owners = async () => {
    const taken: Record<string, string> = {};
    for (const kind of ['wireguard', 'wireguard-v6', 'ipip', 'vxlan', 'vxlan-v6']) {
      const [found] = await ipam.addressesByHandle(`${kind}-tunnel-addr-n`);
      if (found !== undefined) taken[kind] = `IPv${found.addr.family}`;
    }
    return taken;
  };
  return { client, nodes, ipam, pool, allocate, owners };
}

test('each tunnel that a pool wants has one address, and keeps it', async () => {
  const { nodes, pool, allocate, owners } = await desk();
  await pool('vxlan', { cidr: '10.1.0.0/16', vxlanMode: 'Always' });
  await pool('ipip', { cidr: '10.2.0.0/16', ipipMode: 'CrossSubnet' });
  await pool('six', { cidr: 'fd00:3::/64', vxlanMode: 'CrossSubnet' });
  await allocate();
  const { spec } = await nodes.get('n');
  expect(spec.ipv4VXLANTunnelAddr).toStartWith('10.1.');
  expect(spec.ipv6VXLANTunnelAddr).toStartWith('fd00:3:');
  expect(spec.bgp?.ipv4IPIPTunnelAddr).toStartWith('10.2.');
  expect(spec.wireguard).toBeUndefined();
  expect(await owners()).toEqual({ ipip: 'IPv4', vxlan: 'IPv4', 'vxlan-v6': 'IPv6' });
  const before = await nodes.get('n');
  await allocate();
  expect(await nodes.get('n')).toEqual(before);
});

test('a tunnel that no pool wants any more gives its address back', async () => {
  const { client, nodes, pool, allocate, owners } = await desk({ 'projectcalico.org/IPv4Address': '192.0.2.1/24' });
  const made = await pool('vxlan', { cidr: '10.1.0.0/16', vxlanMode: 'Always' });
  await allocate();
  await client.update(IPPool, { ...made, spec: { ...made.spec, vxlanMode: 'Never', ipipMode: 'Always' } });
  await allocate();
  const { spec } = await nodes.get('n');
  expect(spec.ipv4VXLANTunnelAddr).toBeUndefined();
  expect(spec.bgp?.ipv4IPIPTunnelAddr).toStartWith('10.1.');
  expect(spec.bgp?.ipv4Address).toBe('192.0.2.1/24');
  expect(await owners()).toEqual({ ipip: 'IPv4' });
});

test.each([
  ['the node does not match', { nodeSelector: "rack == 'b'" }],
  ['that is not for tunnels', { allowedUses: ['Workload' as const] }],
  ['that is disabled', { disabled: true }],
])('no address comes from a pool %s', async (_, spec) => {
  const { nodes, pool, allocate, owners } = await desk();
  await pool('vxlan', { cidr: '10.1.0.0/16', vxlanMode: 'Always', ...spec });
  await allocate();
  expect((await nodes.get('n')).spec.ipv4VXLANTunnelAddr).toBeUndefined();
  expect(await owners()).toEqual({});
});

test('WireGuard has addresses while the node has its key, unless the host’s own traffic goes through it', async () => {
  const keys = { 'projectcalico.org/WireguardPublicKey': 'k', 'projectcalico.org/WireguardPublicKeyV6': 'k6' };
  const { client, nodes, pool, allocate, owners } = await desk(keys);
  await pool('four', { cidr: '10.1.0.0/16' });
  await pool('six', { cidr: 'fd00:3::/64' });
  await allocate();
  expect((await nodes.get('n')).spec.wireguard).toEqual({
    interfaceIPv4Address: expect.stringMatching(/^10\.1\./),
    interfaceIPv6Address: expect.stringMatching(/^fd00:3:/),
  });
  await allocate(true);
  expect((await nodes.get('n')).spec.wireguard).toBeUndefined();
  expect(await owners()).toEqual({});
  await allocate();
  const gone = { metadata: { annotations: { 'projectcalico.org/WireguardPublicKeyV6': null } } };
  await client.patch(Node, { name: 'n' }, gone, { type: 'merge' });
  await allocate();
  expect(await owners()).toEqual({ wireguard: 'IPv4' });
});

test('a tunnel that can have no address leaves the others theirs, and is told at the end', async () => {
  const { client, nodes, pool, allocate } = await desk();
  await pool('ipip', { cidr: '10.1.0.0/26', ipipMode: 'Always' });
  await pool('vxlan', { cidr: '10.2.0.0/26', vxlanMode: 'Always' });
  await pool('taken', { cidr: '10.3.0.0/26' });
  const other = new Ipam({ client, clock: new ClockFake(), random: seededRandom(9) });
  const request = { node: 'o', handle: 'all', attributes: {}, ipv4: 64, ipv6: 0, intendedUse: 'Tunnel' as const };
  await other.autoAssign({ ...request, pools4: ['10.1.0.0/26'] });
  const failure = await allocate().catch((error: Error) => error.message);
  expect(failure).toContain('ipip tunnel of node "n"');
  expect((await nodes.get('n')).spec.ipv4VXLANTunnelAddr).toStartWith('10.2.');
});

test('addresses are written into etcd’s node too', async () => {
  const { ipam, pool } = await desk();
  const nodes = storedNodes(memoryClient({}));
  await nodes.change('n', node => ({ ...node, metadata: { ...node.metadata, labels: { rack: 'a' } } }));
  await pool('vxlan', { cidr: '10.1.0.0/16', vxlanMode: 'Always' });
  await allocateTunnelAddresses('n', { nodes, ipam, log: quiet, hostEncryption: false });
  expect((await nodes.get('n')).spec.ipv4VXLANTunnelAddr).toStartWith('10.1.');
});
