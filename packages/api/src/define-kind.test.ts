import { expect, test } from 'bun:test';
import { GlobalNetworkPolicy } from './kinds/calico/global-network-policy.ts';
import { IPPool } from './kinds/calico/ip-pool.ts';
import { Namespace } from './kinds/kubernetes/namespace.ts';
import { untyped } from './testing.ts';

test('an object that another version stored in a shape of its own can be replaced', () => {
  const stored = { apiVersion: 'projectcalico.org/v3', kind: 'IPPool', metadata: { name: 'a' }, spec: null };
  expect(IPPool.validate(IPPool.default(IPPool.example()), untyped(stored))).toEqual([]);
});

test.each([Namespace, GlobalNetworkPolicy])(
  'labels that are no map are refused also where a label is added: %#',
  kind => {
    for (const labels of ['x', ['x'], 7]) {
      const object = { ...kind.example(), metadata: { name: 'a', labels } };
      const faults = kind.validate(untyped(kind.default(untyped(object))));
      expect(faults.map(({ path, value }) => ({ path, value }))).toEqual([{ path: 'metadata.labels', value: labels }]);
    }
  },
);
