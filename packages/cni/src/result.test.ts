import { describe, expect, test } from 'bun:test';
import { cidr } from '@calico/ip';
import { renderResult } from './result.ts';
import { supportedVersions } from './versions.ts';

const interfaces = {
  host: { name: 'cali1' },
  pod: { name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1450, sandbox: '/run/netns/a' },
};
const addresses = [cidr('10.65.0.1/32'), cidr('fd00::1/128')];
const routes = [{ dst: '10.65.0.1/32' }, { dst: 'fd00::1/128' }];
const pod = { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/a' };

const old = (cniVersion: string) => ({
  cniVersion,
  ip4: { ip: '10.65.0.1/32', routes: [{ dst: '10.65.0.1/32' }] },
  ip6: { ip: 'fd00::1/128', routes: [{ dst: 'fd00::1/128' }] },
  dns: {},
});
const middle = (cniVersion: string) => ({
  cniVersion,
  interfaces: [{ name: 'cali1' }, pod],
  ips: [
    { version: '4', interface: 1, address: '10.65.0.1/32' },
    { version: '6', interface: 1, address: 'fd00::1/128' },
  ],
  routes,
  dns: {},
});
const modern = (cniVersion: string, more: object) => ({
  cniVersion,
  interfaces: [{ name: 'cali1' }, { ...pod, ...more }],
  ips: [
    { interface: 1, address: '10.65.0.1/32' },
    { interface: 1, address: 'fd00::1/128' },
  ],
  routes,
  dns: {},
});

describe('renderResult', () => {
  const want: Record<string, object> = {
    '0.1.0': old('0.1.0'),
    '0.2.0': old('0.2.0'),
    '0.3.0': middle('0.3.0'),
    '0.3.1': middle('0.3.1'),
    '0.4.0': middle('0.4.0'),
    '1.0.0': modern('1.0.0', {}),
    '1.1.0': modern('1.1.0', { mtu: 1450 }),
  };
  for (const [version, result] of Object.entries(want)) {
    test(`has the form of version ${version}`, () => {
      expect(renderResult(version, { addresses, interfaces })).toEqual(result);
    });
  }

  test('is tested in every supported version', () => {
    expect(Object.keys(want)).toEqual([...supportedVersions]);
  });

  test('has no interfaces where only addresses were given', () => {
    expect(renderResult('1.0.0', { addresses: [cidr('10.65.0.1/32')] })).toEqual({
      cniVersion: '1.0.0',
      ips: [{ address: '10.65.0.1/32' }],
      routes: [{ dst: '10.65.0.1/32' }],
      dns: {},
    });
  });
});
