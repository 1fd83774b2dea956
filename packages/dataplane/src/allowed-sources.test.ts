import { beforeEach, expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import { addrFromBytes, printAddr } from '@calico/ip';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import { Dataplane } from './dataplane.ts';
import { type DataplaneConfig, defaultDataplaneConfig } from './dataplane-config.ts';
import { endpoint, program } from './testing/builders.ts';

const config: DataplaneConfig = { ...defaultDataplaneConfig, nodeName: 'node1', sourceSpoofing: 'Any' };
let kernel: FakeKernel;
let dataplane: Dataplane;

beforeEach(() => {
  kernel = fakeKernel();
  kernel.createLink({ kind: 'dummy', name: 'calia', up: true });
  dataplane = new Dataplane(kernel, config);
  apply({ kind: 'inSync' });
});

function apply(...messages: readonly Message[]): void {
  dataplane.handle(messages);
  dataplane.apply();
}

const podAt = (id: string, name: string, allowSpoofedSources: string[]): Message => ({
  kind: 'endpointUpdate',
  id,
  endpoint: endpoint(name, program([]), { allowSpoofedSources }),
});
const gone = (id: string): Message => ({ kind: 'endpointRemove', id });

/** `<interface> <first>-<last>` of every element. */
function allowed(): string[] {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes.subarray(0, 16)).replaceAll('\0', '');
  const address = (bytes: Uint8Array) => printAddr(addrFromBytes(bytes.slice(16)));
  return ([4, 6] as const)
    .flatMap(family => kernel.nftables.elements({ family: 'inet', name: 'calico' }, `allowed-sources-${family}`))
    .map(({ key, keyEnd = key }) => `${text(key)} ${address(key)}-${address(keyEnd)}`)
    .sort();
}
const check = () => kernel.sysctl('net/ipv4/conf/calia/rp_filter');

test('a workload’s prefixes are those of its interface, the covered ones left out, and go with it', () => {
  apply(podAt('d/a', 'calia', ['192.0.2.0/24', '192.0.2.5/32', 'fd00::/64']));
  expect(allowed()).toEqual(['calia 192.0.2.0-192.0.2.255', 'calia fd00::-fd00::ffff:ffff:ffff:ffff']);
  apply(podAt('d/a', 'calia', ['192.0.2.5/32']));
  expect(allowed()).toEqual(['calia 192.0.2.5-192.0.2.5']);
  apply(podAt('d/a', 'calib', ['192.0.2.5/32']));
  expect(allowed()).toEqual(['calib 192.0.2.5-192.0.2.5']);
  apply(gone('d/a'));
  expect(allowed()).toEqual([]);
});

test('two workloads that claim one interface share what they ask for', () => {
  apply(podAt('d/a', 'calia', ['192.0.2.0/24']), podAt('d/b', 'calia', ['192.0.2.7/32', '198.51.100.1/32']));
  expect(allowed()).toEqual(['calia 192.0.2.0-192.0.2.255', 'calia 198.51.100.1-198.51.100.1']);
  apply(gone('d/a'));
  expect(allowed()).toEqual(['calia 192.0.2.7-192.0.2.7', 'calia 198.51.100.1-198.51.100.1']);
});

test('the kernel’s own check is off where the rules let through, and back when they no longer do', () => {
  kernel.setSysctl('net/ipv4/conf/default/rp_filter', '2');
  kernel.setSysctl('net/ipv4/conf/calia/rp_filter', '2');
  apply(podAt('d/a', 'calia', ['192.0.2.0/24']));
  expect(check()).toBe('0');
  dataplane.reconfigure({ ...config, sourceSpoofing: 'Disabled' });
  apply();
  expect(check()).toBe('2');
  dataplane.reconfigure(config);
  apply();
  expect(check()).toBe('0');
  apply(podAt('d/a', 'calia', []));
  expect(check()).toBe('2');
});

test('the check is switched off on an interface that comes later, and on one that is made anew', () => {
  apply(podAt('d/b', 'calib', ['192.0.2.0/24']));
  for (let i = 0; i < 2; i++) {
    const link = kernel.createLink({ kind: 'dummy', name: 'calib', up: true });
    kernel.setSysctl('net/ipv4/conf/calib/rp_filter', '1');
    dataplane.handleEvent({ kind: 'link', change: 'new', link });
    apply();
    expect(kernel.sysctl('net/ipv4/conf/calib/rp_filter')).toBe('0');
    kernel.deleteLink(link.index);
  }
});
