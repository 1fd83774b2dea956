import { expect, test } from 'bun:test';
import type { IPPool } from '@calico/api';
import { allocatablePools } from './conditions.ts';

interface Given {
  readonly cidr: string;
  readonly active?: boolean;
  readonly ending?: boolean;
  readonly disabled?: boolean;
  readonly born?: string;
}

function pool(name: string, { cidr, active, ending, disabled = false, born = '2026-01-01T00:00:00Z' }: Given): IPPool {
  const condition = {
    type: 'Allocatable',
    status: 'True',
    reason: 'OK',
    message: '',
    lastTransitionTime: born,
  } as const;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name, creationTimestamp: born, ...(ending ? { deletionTimestamp: '2026-02-01T00:00:00Z' } : {}) },
    spec: { cidr, disabled },
    ...(active ? { status: { conditions: [condition] } } : {}),
  };
}

const cases: [string, Record<string, Given>, Record<string, string>][] = [
  ['pools apart from each other', { a: { cidr: '10.0.0.0/16' }, b: { cidr: '10.1.0.0/16' } }, { a: 'OK', b: 'OK' }],
  [
    'of two that overlap the older',
    { a: { cidr: '10.0.0.0/16', born: '2026-01-02T00:00:00Z' }, b: { cidr: '10.0.0.0/8' } },
    { a: 'CIDROverlap', b: 'OK' },
  ],
  [
    'of two of one age by name',
    { b: { cidr: '10.0.0.0/16' }, a: { cidr: '10.0.0.0/16' } },
    { a: 'OK', b: 'CIDROverlap' },
  ],
  [
    'the one that gives out addresses already, though younger',
    { a: { cidr: '10.0.0.0/16' }, b: { cidr: '10.0.0.0/16', active: true, born: '2026-03-01T00:00:00Z' } },
    { a: 'CIDROverlap', b: 'OK' },
  ],
  [
    'one that ends keeps its addresses from a new one',
    { a: { cidr: '10.0.0.0/16' }, b: { cidr: '10.0.0.0/16', ending: true, active: true } },
    { a: 'CIDROverlap', b: 'Terminating' },
  ],
  [
    'one that is disabled too',
    { a: { cidr: '10.0.0.0/16' }, b: { cidr: '10.0.0.0/16', disabled: true } },
    { a: 'CIDROverlap', b: 'PoolDisabled' },
  ],
  ['one that cannot be read is left out', { a: { cidr: 'x' }, b: { cidr: 'fd00::/64' } }, { b: 'OK' }],
];
test.each(cases)('which pools give out addresses: %s', (_name, given, want) => {
  const pools = Object.entries(given).map(([name, one]) => pool(name, one));
  for (const order of [pools, pools.toReversed()]) {
    const found = [...allocatablePools(order)].map(([name, { reason }]) => [name, reason]);
    expect(Object.fromEntries(found)).toEqual(want);
  }
});
