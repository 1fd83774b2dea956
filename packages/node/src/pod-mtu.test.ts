import { expect, test } from 'bun:test';
import type { IPPool } from '@calico/api';
import { cidr } from '@calico/ip';
import type { HostInterface } from './addresses/host-interface.ts';
import { defaultMtuPattern, type MtuSituation, podMtu } from './pod-mtu.ts';

const link = (name: string, mtu: number, up = true, ...addresses: string[]): HostInterface => ({
  name,
  mtu,
  up,
  addresses: addresses.map(text => cidr(text)),
});

const pool = (spec: Partial<IPPool['spec']>): IPPool => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name: 'pool' },
  spec: { cidr: '10.0.0.0/16', ...spec },
});

const plain: MtuSituation = {
  interfaces: [link('lo', 65_536), link('eth0', 9000, true, '172.16.0.1/24'), link('ens5', 1500, false)],
  pattern: defaultMtuPattern,
  nodeAddresses: ['172.16.0.1/24'],
  pools: [],
  wireguard: { ipv4: false, ipv6: false },
  overlayMtus: {},
};

const vxlan = pool({ vxlanMode: 'CrossSubnet' });
const six = pool({ cidr: 'fd00::/64', vxlanMode: 'Always' });

test.each([
  ['the host’s own without an overlay', { pools: [pool({ vxlanMode: 'Never' })] }, 9000, 'eth0 has 9000'],
  ['less 50 with VXLAN', { pools: [pool({}), vxlan] }, 8950, 'vxlan takes 50'],
  ['less 70 with VXLAN over IPv6', { pools: [vxlan, six] }, 8930, 'vxlanV6 takes 70'],
  ['less 20 with IPIP', { pools: [pool({ ipipMode: 'Always' })] }, 8980, 'ipip takes 20'],
  ['less 60 with WireGuard', { pools: [vxlan], wireguard: { ipv4: true, ipv6: false } }, 8940, 'wireguard takes 60'],
  ['less 80 with WireGuard over IPv6', { wireguard: { ipv4: true, ipv6: true } }, 8920, 'wireguardV6 takes 80'],
  ['what is set for the overlay', { pools: [vxlan], overlayMtus: { vxlan: 1400 } }, 1400, 'vxlan is set to 1400'],
  ['not what is set for another', { pools: [vxlan], overlayMtus: { ipip: 1400, vxlan: 0 } }, 8950, 'vxlan takes 50'],
  [
    'the smallest of what leads out',
    { interfaces: [...plain.interfaces, link('wlp2s0', 1400)] },
    1400,
    'wlp2s0 has 1400, the smallest',
  ],
  [
    'that of what the pattern names',
    { pattern: /^bond/, interfaces: [...plain.interfaces, link('bond0', 2000)] },
    2000,
    'match ^bond',
  ],
  [
    'that of the node’s address where nothing matches',
    { pattern: /^bond/ },
    9000,
    "eth0 has 9000 and the node's address; no interface",
  ],
  [
    '1460 where nothing tells anything',
    { interfaces: [link('lo', 65_536)], pools: [vxlan] },
    1410,
    '1460 fits nearly all; vxlan takes 50',
  ],
] as [string, Partial<MtuSituation>, number, string][])('pods get %s', (_, more, mtu, why) => {
  const choice = podMtu({ ...plain, ...more });
  expect(choice.mtu).toBe(mtu);
  expect(choice.why).toContain(why);
});
