import { expect, test } from 'bun:test';
import type { IPPool } from '@calico/api';
import { cidr } from '@calico/ip';
import { fakeKernel } from '@calico/kernel/fake';
import { defaultPodMtu } from './mtu.ts';

const pool = (vxlanMode: 'Always' | 'CrossSubnet' | 'Never'): IPPool => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name: 'pool' },
  spec: { cidr: '10.0.0.0/16', vxlanMode },
});

test.each([
  ['the interface’s own without an overlay', '172.16.0.1/24', [pool('Never')], 9000],
  ['less what VXLAN adds', '172.16.0.1/24', [pool('Never'), pool('Always')], 8950],
  ['less it across subnets too', '172.16.0.1/24', [pool('CrossSubnet')], 8950],
  ['Calico’s choice while the node has no address', undefined, [], 1460],
  ['Calico’s choice while no interface has the address', '172.16.9.9/24', [pool('Always')], 1410],
] as const)('pods get %s', (_, address, pools, mtu) => {
  const kernel = fakeKernel();
  const { index } = kernel.createLink({ kind: 'dummy', name: 'eth0', mtu: 9000, up: true });
  kernel.replaceAddress({ link: index, address: cidr('172.16.0.1/24'), scope: 'universe' });
  expect(defaultPodMtu(kernel, address, pools)).toBe(mtu);
});
