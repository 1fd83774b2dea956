import { expect, test } from 'bun:test';
import { untyped, validationCases } from '../../testing.ts';
import { GlobalNetworkSet } from './global-network-set.ts';
import { NetworkSet } from './network-set.ts';
import { Tier } from './tier.ts';

const tier = (name: string, order: number, defaultAction: 'Pass' | 'Deny') => (t: Tier) => {
  t.metadata.name = name;
  t.spec = { order, defaultAction };
};

test.each([
  ...validationCases<Tier>(
    Tier,
    [
      { name: 'the example', change: () => {} },
      { name: 'the default tier', change: tier('default', 1_000_000, 'Deny') },
      { name: 'the first built-in tier', change: tier('kube-admin', 1000, 'Pass') },
      { name: 'the last built-in tier', change: tier('kube-baseline', 10_000_000, 'Pass') },
      { name: 'an order between whole numbers', change: tier('a', 1.5, 'Pass') },
    ],
    [
      {
        name: 'a name with a dot',
        change: tier('a.b', 1, 'Deny'),
        path: 'metadata.name',
        value: 'a.b',
        allowed: 'at most 63',
      },
      {
        name: 'an action that is none',
        change: t => (t.spec.defaultAction = untyped('Allow')),
        path: 'spec.defaultAction',
        value: 'Allow',
        allowed: '"Pass", "Deny"',
      },
      {
        name: 'the default tier elsewhere',
        change: tier('default', 5, 'Deny'),
        path: 'spec.order',
        value: 5,
        allowed: '1000000',
      },
      {
        name: 'the default tier that passes',
        change: tier('default', 1_000_000, 'Pass'),
        path: 'spec.defaultAction',
        value: 'Pass',
        allowed: 'must be "Deny"',
      },
      {
        name: 'kube-admin elsewhere',
        change: tier('kube-admin', 5, 'Pass'),
        path: 'spec.order',
        value: 5,
        allowed: '1000',
      },
      {
        name: 'kube-baseline that denies',
        change: tier('kube-baseline', 10_000_000, 'Deny'),
        path: 'spec.defaultAction',
        value: 'Deny',
        allowed: 'must be "Pass"',
      },
    ],
  ),
  ...validationCases<NetworkSet>(
    NetworkSet,
    [
      { name: 'the example', change: () => {} },
      { name: 'addresses and host bits', change: s => (s.spec.nets = ['10.0.0.1', '10.0.0.1/8']) },
    ],
    [
      {
        name: 'text that is no net',
        change: s => (s.spec.nets = ['ten']),
        path: 'spec.nets[0]',
        value: 'ten',
        allowed: 'a CIDR',
      },
      {
        name: 'a net twice',
        change: s => (s.spec.nets = ['::/0', '::/0']),
        path: 'spec.nets[1]',
        value: '::/0',
        allowed: 'only once',
      },
      {
        name: "Calico's own label",
        change: s => (s.metadata.labels = { 'projectcalico.org/namespace': 'a' }),
        path: 'metadata.labels[projectcalico.org/namespace]',
        value: 'a',
        allowed: 'any other label',
      },
      {
        name: 'a label value with a space',
        change: s => (s.metadata.labels = { a: 'b c' }),
        path: 'metadata.labels[a]',
        value: 'b c',
        allowed: 'at most 63',
      },
      {
        name: 'a label key with a space',
        change: s => (s.metadata.labels = { 'a b': 'c' }),
        path: 'metadata.labels',
        value: 'a b',
        allowed: 'a label key must be',
      },
      {
        name: 'annotations beyond 256 KiB',
        change: s => (s.metadata.annotations = { a: 'x'.repeat(256 * 1024) }),
        path: 'metadata.annotations',
        value: 256 * 1024 + 1,
        allowed: 'at most 262144',
      },
    ],
  ),
  ...validationCases<GlobalNetworkSet>(
    GlobalNetworkSet,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: "Calico's own label",
        change: s => (s.metadata.labels = { 'projectcalico.org/namespace': 'a' }),
        path: 'metadata.labels[projectcalico.org/namespace]',
        value: 'a',
        allowed: 'any other label',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});
