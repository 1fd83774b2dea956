import { expect, test } from 'bun:test';
import { namespaceToProfile, serviceAccountToProfile } from './profile.ts';

test('namespaceToProfile allows everything and hands down labels', () => {
  const profile = namespaceToProfile({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop', labels: { team: 'a' }, resourceVersion: '3' },
    spec: {},
  });
  expect(profile).toEqual({
    apiVersion: 'projectcalico.org/v3',
    kind: 'Profile',
    metadata: { name: 'kns.shop', resourceVersion: '3' },
    spec: {
      ingress: [{ action: 'Allow' }],
      egress: [{ action: 'Allow' }],
      labelsToApply: { 'pcns.team': 'a', 'pcns.projectcalico.org/name': 'shop' },
    },
  });
});

test('serviceAccountToProfile has labels and no rules', () => {
  const profile = serviceAccountToProfile({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'runner', namespace: 'shop', labels: { role: 'x' } },
  });
  expect(profile.metadata.name).toBe('ksa.shop.runner');
  expect(profile.spec).toEqual({ labelsToApply: { 'pcsa.role': 'x', 'pcsa.projectcalico.org/name': 'runner' } });
});
