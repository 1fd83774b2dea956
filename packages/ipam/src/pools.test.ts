import { expect, test } from 'bun:test';
import type { IPPool } from '@calico/api';
import { addr, cidr } from '@calico/ip';
import { choosePools, needsNodeLabels, type PoolRequest, poolOfAddress, poolOfBlock, readPools } from './pools.ts';

const resource = (name: string, spec: IPPool['spec'], more: Partial<IPPool> = {}): IPPool => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name },
  spec,
  ...more,
});

const pools = readPools([
  resource('z-zone', { cidr: '10.9.0.0/16', nodeSelector: 'zone == "z"' }),
  resource('b-any', { cidr: '10.1.0.0/16' }),
  resource('c-team', { cidr: '10.2.0.0/16', namespaceSelector: 'team == "red"', allowedUses: ['Workload'] }),
  resource('d-manual', { cidr: '10.3.0.0/16', assignmentMode: 'Manual' }),
  resource('e-disabled', { cidr: '10.4.0.0/16', disabled: true }),
  resource('f-tunnels', { cidr: '10.5.0.0/16', allowedUses: ['Tunnel'] }),
  resource('g-balancers', { cidr: '10.6.0.0/16', allowedUses: ['LoadBalancer'] }),
  resource('h-six', { cidr: 'fd00::/48' }),
  resource(
    'i-refused',
    { cidr: '10.7.0.0/16' },
    {
      status: {
        conditions: [
          { type: 'Allocatable', status: 'False', reason: 'CIDROverlap', message: '', lastTransitionTime: '' },
        ],
      },
    },
  ),
  resource(
    'j-leaving',
    { cidr: '10.8.0.0/16' },
    { metadata: { name: 'j-leaving', deletionTimestamp: '2026-01-01T00:00:00Z' } },
  ),
  resource('k-broken', { cidr: 'ten' }),
]);

const base: PoolRequest = { family: 4, use: 'Workload', nodeLabels: {} };

const cases: { name: string; request: Partial<PoolRequest>; want: string[] | RegExp }[] = [
  { name: 'pools without selectors', request: {}, want: ['b-any'] },
  { name: 'node selectors', request: { nodeLabels: { zone: 'z' } }, want: ['b-any', 'z-zone'] },
  { name: 'namespace selectors', request: { namespaceLabels: { team: 'red' } }, want: ['b-any', 'c-team'] },
  { name: 'the use Tunnel', request: { use: 'Tunnel' }, want: ['b-any', 'f-tunnels'] },
  { name: 'the use LoadBalancer', request: { use: 'LoadBalancer' }, want: ['g-balancers'] },
  { name: 'IPv6', request: { family: 6 }, want: ['h-six'] },
  { name: 'manual pools when requested', request: { requested: ['10.3.0.0/16'] }, want: ['d-manual'] },
  {
    name: 'requested pools whatever they select, in the order asked for',
    request: { requested: ['10.9.0.0/16', '10.1.0.0/16'] },
    want: ['z-zone', 'b-any'],
  },
  {
    name: 'no requested pool that is disabled',
    request: { requested: ['10.4.0.0/16'] },
    want: /requested pool is "10.4.0.0\/16"; allowed: "b-any" \(10.1.0.0\/16\), /,
  },
  { name: 'no requested pool that is refused', request: { requested: ['10.7.0.0/16'] }, want: /requested pool is/ },
  { name: 'no requested pool that is leaving', request: { requested: ['10.8.0.0/16'] }, want: /requested pool is/ },
  { name: 'no requested pool of the other family', request: { requested: ['fd00::/48'] }, want: /requested pool is/ },
  { name: 'no requested part of a pool', request: { requested: ['10.1.0.0/24'] }, want: /requested pool is/ },
  {
    name: 'no requested pool for another use',
    request: { requested: ['10.5.0.0/16'] },
    want: /of "f-tunnels" none has "Workload"/,
  },
];

test.each(cases)('choosePools takes $name', ({ request, want }) => {
  const choose = () => choosePools(pools, { ...base, ...request }).map(pool => pool.name);
  if (want instanceof RegExp) expect(choose).toThrow(want);
  else expect(choose()).toEqual(want);
});

test('choosePools says when nothing selects the node', () => {
  const some = pools.filter(({ name }) => name === 'z-zone');
  expect(() => choosePools(some, base)).toThrow('none of 1 enabled IPv4 pools selects the node and namespace');
});

test('readPools fills in the block size of the family', () => {
  expect(pools.find(pool => pool.name === 'b-any')?.blockSize).toBe(26);
  expect(pools.find(pool => pool.name === 'h-six')?.blockSize).toBe(122);
});

test('needsNodeLabels only when a selector looks at them', () => {
  expect(needsNodeLabels(pools)).toBe(true);
  expect(needsNodeLabels(readPools([resource('a', { cidr: '10.0.0.0/16', nodeSelector: 'all()' })]))).toBe(false);
});

test('poolOfBlock and poolOfAddress find disabled pools too', () => {
  expect(poolOfBlock(pools, cidr('10.4.0.64/26'))?.name).toBe('e-disabled');
  expect(poolOfAddress(pools, addr('10.4.0.1'))?.name).toBe('e-disabled');
  expect(poolOfAddress(pools, addr('10.200.0.1'))).toBeUndefined();
});
