import { describe, expect, test } from 'bun:test';
import { defaultMac } from './hosts.ts';
import { given } from './testing/builders.ts';
import { play } from './testing/replay.ts';

describe('hosts', () => {
  test('have their BGP address, else an internal, else an external one', () => {
    const addresses = [
      { address: '203.0.113.1', type: 'ExternalIP' },
      { address: '192.0.2.1', type: 'InternalIP' },
      { address: '2001:db8::1', type: 'ExternalIP' },
    ];
    const { hosts } = play([
      given('CalicoNode', 'a', { bgp: { ipv4Address: '10.0.0.1/24', ipv6Address: 'fd00::1/64' }, addresses }),
      given('CalicoNode', 'b', { addresses }),
      given('CalicoNode', 'c', {}),
    ]);
    expect([...hosts.values()]).toEqual([
      { name: 'a', ipv4: '10.0.0.1', ipv6: 'fd00::1', subnet4: '10.0.0.0/24', subnet6: 'fd00::/64' },
      { name: 'b', ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
      { name: 'c' },
    ]);
  });

  test('are VTEPs where they have a tunnel address and an address', () => {
    const { vteps } = play([
      given('CalicoNode', 'a', { bgp: { ipv4Address: '10.0.0.1/24' }, ipv4VXLANTunnelAddr: '10.1.0.0' }),
      given('CalicoNode', 'b', { ipv4VXLANTunnelAddr: '10.1.0.1' }),
      given('CalicoNode', 'c', {
        bgp: { ipv4Address: '10.0.0.3/24', ipv6Address: 'fd00::3/64' },
        ipv4VXLANTunnelAddr: '10.1.0.3',
        vxlanTunnelMACAddr: '66:00:00:00:00:01',
        ipv6VXLANTunnelAddr: 'fd01::3',
      }),
    ]);
    expect([...vteps.values()]).toEqual([
      { node: 'a', mac: defaultMac('a'), ipv4: '10.1.0.0', parentIpv4: '10.0.0.1' },
      {
        node: 'c',
        mac: '66:00:00:00:00:01',
        ipv4: '10.1.0.3',
        parentIpv4: '10.0.0.3',
        macV6: defaultMac('c-v6'),
        ipv6: 'fd01::3',
        parentIpv6: 'fd00::3',
      },
    ]);
  });

  test('have a MAC made from their name', () => {
    // SHA-1 of "a" begins with 86f7e437fa.
    expect(defaultMac('a')).toBe('66:86:f7:e4:37:fa');
  });
});
