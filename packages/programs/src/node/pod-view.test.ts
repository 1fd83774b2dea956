import { expect, test } from 'bun:test';
import type { Namespace, Pod } from '@calico/api';
import { PodView } from './pod-view.ts';

const namespace: Namespace = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', uid: 'n', labels: { a: 'b' }, annotations: { c: 'd' } },
  spec: {},
};
const pod = (nodeName: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u' },
  spec: { nodeName, containers: [] },
});
const key = { name: 'web', namespace: 'shop' };

test('a pod of this node is shown with its namespace, once both have been seen and as long as both are there', () => {
  const view = new PodView('here');
  view.onObject('Pod', key, pod('here'));
  expect(view.pod(key)).toBeUndefined();
  view.onObject('Namespace', { name: 'shop' }, namespace);
  const metadata = { name: 'shop', labels: { a: 'b' }, annotations: { c: 'd' } };
  expect<unknown>(view.pod(key)).toEqual({ pod: pod('here'), namespace: { metadata } });
  view.onObject('Pod', key, undefined);
  expect(view.pod(key)).toBeUndefined();
  view.onObject('Pod', key, pod('here'));
  view.onObject('Namespace', { name: 'shop' }, undefined);
  expect(view.pod(key)).toBeUndefined();
});

test('pods of other nodes are not kept', () => {
  const view = new PodView('here');
  view.onObject('Namespace', { name: 'shop' }, namespace);
  view.onObject('Pod', key, pod('there'));
  expect(view.pod(key)).toBeUndefined();
});

test('the view counts only while both kinds are watched', () => {
  const view = new PodView('here');
  const status = (kind: string, state: 'watching' | 'waiting', inSync = true) =>
    ({ kind, state, inSync, error: undefined, age: 0 }) as const;
  const tier = status('Tier', 'waiting');
  expect(view.isShownBy([])).toBe(false);
  expect(view.isShownBy([tier, status('Pod', 'watching'), status('Namespace', 'watching')])).toBe(true);
  expect(view.isShownBy([status('Pod', 'watching'), status('Namespace', 'waiting')])).toBe(false);
  expect(view.isShownBy([status('Pod', 'watching', false), status('Namespace', 'watching')])).toBe(false);
});
