import { expect, test } from 'bun:test';
import { kinds } from '@calico/api';
import { permissions } from './permissions.ts';

test('every rule names resources that there are, and none names all', () => {
  const served = new Set(kinds.map(({ group, plural }) => `${group}/${plural}`));
  served.add('/serviceaccounts');
  for (const { cluster, namespaced } of Object.values(permissions)) {
    for (const { apiGroups, resources, verbs } of [...cluster, ...Object.values(namespaced).flat()]) {
      expect(verbs).not.toContain('*');
      for (const resource of resources) {
        const [plural = ''] = resource.split('/');
        const found = apiGroups.filter(group => served.has(`${group}/${plural}`));
        expect({ resource, found: found.length > 0 }).toEqual({ resource, found: true });
      }
    }
  }
});
