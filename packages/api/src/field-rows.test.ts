import { expect, test } from 'bun:test';
import { fieldRows } from './field-rows.ts';
import { GlobalNetworkPolicy } from './kinds/calico/global-network-policy.ts';
import { Tier } from './kinds/calico/tier.ts';
import { kinds } from './kinds/registry.ts';

test('fields of a tier come with type, default and what is allowed', () => {
  const { fields, rules } = fieldRows(Tier);
  expect(fields[0]).toEqual({
    path: 'spec.defaultAction',
    type: 'string',
    required: false,
    default: '"Deny"',
    allowed: '"Pass", "Deny"',
    description: 'What happens to a packet that policies of the tier apply to, and no rule decides.',
  });
  expect(rules[0]).toEqual({ path: '', message: 'order must be 1000 for the built-in tier "kube-admin"' });
});

test('what was told once is referred to', () => {
  const types = new Map(fieldRows(GlobalNetworkPolicy).fields.map(({ path, type }) => [path, type]));
  expect(types.get('spec.egress[].destination.ports')).toBe('list of integer or string');
  expect(types.get('spec.ingress')).toBe('list of object as spec.egress[]');
  expect(types.has('spec.ingress[].action')).toBe(false);
});

test('every field of a spec of Calico is there once', () => {
  for (const kind of kinds.filter(({ group }) => group === 'projectcalico.org')) {
    const paths = fieldRows(kind).fields.map(({ path }) => path);
    expect(paths.length).toBeGreaterThan(0);
    expect(new Set(paths).size).toBe(paths.length);
  }
});
