import { expect, test } from 'bun:test';
import { given, gone } from './testing/builders.ts';
import { NODE, play } from './testing/replay.ts';

const advertised = (name: string, spec: Record<string, readonly string[]>) => {
  const lists = Object.entries(spec).map(([field, cidrs]) => [field, cidrs.map(cidr => ({ cidr }))] as const);
  return given('BGPConfiguration', name, Object.fromEntries(lists));
};
const usual = advertised('default', {
  serviceClusterIPs: ['10.96.0.0/16', 'fd00:1::/112'],
  serviceExternalIPs: ['10.96.3.0/24', '203.0.113.7/24'],
  serviceLoadBalancerIPs: ['198.51.100.1/32'],
});

test('networks of services of all three kinds, each once', () => {
  const nets = ['10.96.0.0/16', '198.51.100.1/32', '203.0.113.0/24', 'fd00:1::/112'];
  expect([...play([usual]).serviceNets].sort()).toEqual(nets);
});

test('are none where nothing is advertised any more, or what is there cannot be read', () => {
  expect(play([usual, 'inSync', 'flush', gone(usual)]).serviceNets).toEqual([]);
  expect(play([usual, 'inSync', 'flush', advertised('default', {})]).serviceNets).toEqual([]);
  expect(play([advertised('default', { serviceClusterIPs: ['all'] })]).serviceNets).toEqual([]);
});

test('are those of the cluster, never of one node', () => {
  expect(play([advertised(`node.${NODE}`, { serviceClusterIPs: ['10.96.0.0/16'] })]).serviceNets).toEqual([]);
});
