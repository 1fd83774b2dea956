import { describe, expect, test } from 'bun:test';
import { addr, cidr, type Family, printCidr } from '@calico/ip';
import { detectAddress, type Surroundings } from './detect-address.ts';
import { parseDetectionMethod } from './detection-method.ts';
import type { HostInterface } from './host-interface.ts';

function on(name: string, ...addresses: string[]): HostInterface {
  return { name, mtu: 1500, up: true, addresses: addresses.map(text => cidr(text)) };
}

/** In the kernel's order: loopback first, then as they were made. */
const machine: readonly HostInterface[] = [
  on('lo', '127.0.0.1/8', '::1/128', '10.1.1.1/32'),
  on('eth0', '192.0.2.11/24', '2001:db8::11/64', 'fe80::11/64'),
  on('eth1', '169.254.7.7/16', '198.51.100.11/25'),
  on('bond0.12', 'fe80::12/64'),
  on('docker0', '172.17.0.1/16'),
  on('cali1234', '10.65.0.1/32'),
  on('vxlan.calico', '10.65.0.0/32'),
];

const surroundings: Surroundings = {
  interfaces: machine,
  internalIps: async () => ['203.0.113.9', '192.0.2.11', '2001:db8::11'],
  async reach(host, family) {
    if (host === 'nowhere') throw new Error('Cannot reach nowhere: ENOTFOUND');
    if (host === 'elsewhere') return addr('203.0.113.1');
    return family === 4 ? addr('198.51.100.11') : addr('2001:db8::11');
  },
};

async function detected(method: string, family: Family = 4, around = surroundings): Promise<string> {
  const found = await detectAddress(parseDetectionMethod('IP_AUTODETECTION_METHOD', method), family, around);
  return found.address === undefined ? `none: ${found.reason}` : `${printCidr(found.address)} ${found.interfaceName}`;
}

describe('detectAddress finds', () => {
  test.each([
    ['the newest interface’s first address when nothing is said', '', 4, '198.51.100.11/25 eth1'],
    ['the same by first-found', 'first-found', 4, '198.51.100.11/25 eth1'],
    ['no link-local one of IPv6', 'first-found', 6, '2001:db8::11/64 eth0'],
    ['that of an interface', 'interface=eth0', 4, '192.0.2.11/24 eth0'],
    ['that of the newest interface of several', 'interface=eth.*', 4, '198.51.100.11/25 eth1'],
    ['that of an interface that first-found leaves out', 'interface=docker0', 4, '172.17.0.1/16 docker0'],
    ['by an expression that is not anchored', 'interface=th0', 4, '192.0.2.11/24 eth0'],
    ['by any expression of a list with blanks', 'interface=ens.* , eth0', 4, '192.0.2.11/24 eth0'],
    ['that of an interface not skipped', 'skip-interface=eth1', 4, '192.0.2.11/24 eth0'],
    ['one in a range, whatever the interface is called', 'cidr=172.16.0.0/12', 4, '172.17.0.1/16 docker0'],
    ['one in any range', 'cidr=10.99.0.0/16,192.0.2.0/24', 4, '192.0.2.11/24 eth0'],
    ['one of IPv6 in a range', 'cidr=2001:db8::/32', 6, '2001:db8::11/64 eth0'],
    ['one on the loopback in a range', 'cidr=10.1.0.0/16', 4, '10.1.1.1/32 lo'],
    ['the one that packets to a host leave from', 'can-reach=api.example', 4, '198.51.100.11/25 eth1'],
    ['the same of IPv6', 'can-reach=2001:db8::1', 6, '2001:db8::11/64 eth0'],
    ['the one that Kubernetes knows of IPv6', 'kubernetes-internal-ip', 6, '2001:db8::11/64 eth0'],
  ] as const)('%s (%s)', async (_, method, family, expected) => {
    expect(await detected(method, family)).toBe(expected);
  });

  test.each([
    ['all are skipped', 'skip-interface=eth', 'interfaces looked at (bond0.12)'],
    ['no interface is called so', 'interface=ens5', 'interfaces looked at (none)'],
    ['it is in no range', 'cidr=10.200.0.0/16', 'no usable IPv4 address on the interfaces looked at (vxlan.calico,'],
    ['the host is unknown', 'can-reach=nowhere', 'Cannot reach nowhere: ENOTFOUND'],
    ['it is on no interface', 'can-reach=elsewhere', 'leave from 203.0.113.1, which no interface has'],
    ['Kubernetes’ first is not here', 'kubernetes-internal-ip', 'InternalIP 203.0.113.9 is on none of its interfaces'],
  ])('none, and says that %s (%s)', async (_, method, reason) => {
    expect(await detected(method)).toContain(reason);
  });

  test('none where Kubernetes has no address of the family, or is not there', async () => {
    const method = 'kubernetes-internal-ip';
    expect(await detected(method, 6, { ...surroundings, internalIps: async () => ['192.0.2.11'] })).toContain(
      'no InternalIP of IPv6',
    );
    expect(await detected(method, 4, { ...surroundings, internalIps: async () => undefined })).toContain(
      'needs Kubernetes',
    );
  });

  // The whole list of Calico's documentation; each would come first, being the newest.
  test.each([
    'docker0',
    'cbr0',
    'dummy0',
    'podman1',
    'virbr0',
    'lxcbr0',
    'veth12',
    'lo',
    'lo1',
    'br-54ff',
    'cali0a1b',
    'tunl0',
    'flannel.1',
    'kube-ipvs0',
    'cni0',
    'vxlan.calico',
    'vxlan-v6.calico',
    'wireguard.cali',
    'wg-v6.cali',
    'nodelocaldns',
  ])('nothing on %s unless it is asked for by name', async name => {
    const around = { ...surroundings, interfaces: [...machine, on(name, '10.9.9.9/8')] };
    expect(await detected('first-found', 4, around)).toBe('198.51.100.11/25 eth1');
    expect(await detected('skip-interface=none', 4, around)).toBe('198.51.100.11/25 eth1');
    expect(await detected(`interface=^${name}$`, 4, around)).toBe(`10.9.9.9/8 ${name}`);
    expect(await detected('cidr=10.9.0.0/16', 4, around)).toBe(`10.9.9.9/8 ${name}`);
  });

  test.each(['mylo', 'xcali', 'br0', 'wlo1', 'tun0'])(
    'the address of %s, which only looks like one of those',
    async name => {
      const around = { ...surroundings, interfaces: [...machine, on(name, '10.9.9.9/8')] };
      expect(await detected('', 4, around)).toBe(`10.9.9.9/8 ${name}`);
    },
  );
});

test.each([
  'first',
  'interface',
  'interface=',
  'interface=eth0,,eth1',
  'interface=(',
  'skip-interface=eth0,*',
  'cidr=',
  'cidr=10.0.0.1',
  'cidr=10.0.0.0/8;192.0.2.0/24',
  'cidr=10.0.0.0/33',
  'can-reach=',
  'can-reach',
  'kubernetes-internal-ip=192.0.2.1',
])('parseDetectionMethod refuses "%s" and names the variable', text => {
  expect(() => parseDetectionMethod('IP6_AUTODETECTION_METHOD', text)).toThrow(
    `Cannot start: IP6_AUTODETECTION_METHOD is "${text}"; allowed: `,
  );
});
