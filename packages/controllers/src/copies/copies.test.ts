import { describe, expect, test } from 'bun:test';
import {
  KubernetesNetworkPolicy,
  Namespace,
  NetworkPolicy,
  Pod,
  Profile,
  podToWorkloadEndpoint,
  ServiceAccount,
  WorkloadEndpoint,
} from '@calico/api';
import { newPod, newTestWorld } from '../testing.ts';
import { startCopying } from './copy-controller.ts';
import { NAMESPACES, POLICIES, SERVICE_ACCOUNTS } from './kinds.ts';
import { startWorkloadEndpointUpdates } from './workload-endpoints.ts';

const config = { reconcilerMs: 300_000, workers: 1 };
const at = 'projectcalico.org/v3';
const NAMED = { 'pcns.projectcalico.org/name': 'shop', 'pcns.kubernetes.io/metadata.name': 'shop' };

describe('names of copies and originals', () => {
  test.each([
    ['shop/allow-web', 'shop/knp.default.allow-web', POLICIES],
    ['shop', 'kns.shop', NAMESPACES],
    ['shop/web', 'ksa.shop.web', SERVICE_ACCOUNTS],
    ['shop/web.v2', 'ksa.shop.web.v2', SERVICE_ACCOUNTS],
  ])('%s is %s', (original, copy, copying) => {
    expect(copying.copyOf(original)).toBe(copy);
    expect(copying.originalOf(copy)).toBe(original);
  });

  test.each([
    ['shop/allow-web', POLICIES],
    ['shop/default.allow-web', POLICIES],
    ['ksa.shop.web', NAMESPACES],
    ['projectcalico-default-allow', NAMESPACES],
    ['kns.shop', SERVICE_ACCOUNTS],
    ['ksa.shop', SERVICE_ACCOUNTS],
  ])('%s is no copy', (key, copying) => {
    expect(copying.originalOf(key)).toBeUndefined();
  });
});

const namespace = (name: string, labels: Record<string, string> = {}): Namespace => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
  spec: {},
});

async function profiles(world: Awaited<ReturnType<typeof newTestWorld>>) {
  const { items } = await world.calico.list(Profile);
  return Object.fromEntries(items.map(({ metadata, spec }) => [metadata.name, spec.labelsToApply]));
}

test('namespaces and service accounts are kept as profiles, and others’ profiles are left alone', async () => {
  const world = await newTestWorld({ separate: true });
  await world.calico.create(Profile, { apiVersion: at, kind: 'Profile', metadata: { name: 'mine' }, spec: {} });
  await world.calico.create(Profile, { apiVersion: at, kind: 'Profile', metadata: { name: 'kns.old' }, spec: {} });
  await world.kubernetes.create(Namespace, namespace('shop', { team: 'a' }));
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'web', namespace: 'shop' } };
  await world.kubernetes.create(ServiceAccount, account as ServiceAccount);
  const context = world.open();
  for (const copying of [NAMESPACES, SERVICE_ACCOUNTS]) startCopying(context, config, copying as never);
  await world.clock.advance(1000);
  expect(await profiles(world)).toEqual({
    mine: undefined,
    'kns.shop': { 'pcns.team': 'a', ...NAMED },
    'ksa.shop.web': { 'pcsa.projectcalico.org/name': 'web' },
  });
  // Somebody takes the copy away, the original changes, the other original goes.
  await world.calico.delete(Profile, { name: 'kns.shop' });
  await world.kubernetes.patch(Namespace, { name: 'shop' }, { metadata: { labels: { team: 'b' } } }, { type: 'merge' });
  await world.kubernetes.delete(ServiceAccount, account.metadata);
  await world.clock.advance(1000);
  expect(await profiles(world)).toEqual({
    mine: undefined,
    'kns.shop': { 'pcns.team': 'b', ...NAMED },
  });
  context.stop();
});

test('network policies are kept as policies of the default tier, also through trouble of the datastore', async () => {
  const world = await newTestWorld({ separate: true });
  const policy: KubernetesNetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] },
  };
  await world.kubernetes.create(KubernetesNetworkPolicy, policy);
  world.calico.failNext('create', { code: 'Unavailable' });
  const context = world.open();
  startCopying(context, config, POLICIES);
  await world.clock.advance(1000);
  const [copy] = (await world.calico.list(NetworkPolicy)).items;
  expect(copy?.metadata).toMatchObject({ name: 'knp.default.web', namespace: 'shop' });
  expect(copy?.spec).toMatchObject({ tier: 'default', order: 1000, types: ['Ingress'] });
  // Nothing is written while nothing changes.
  await world.clock.advance(900_000);
  expect((await world.calico.list(NetworkPolicy)).items[0]?.metadata.resourceVersion).toBe(
    copy?.metadata.resourceVersion ?? '',
  );
  await world.kubernetes.delete(KubernetesNetworkPolicy, policy.metadata);
  await world.clock.advance(1000);
  expect((await world.calico.list(NetworkPolicy)).items).toEqual([]);
  context.stop();
});

test('labels of pods reach their endpoints; no endpoint is made or taken away', async () => {
  const world = await newTestWorld({ separate: true });
  const pod = newPod('node-1', 'web', '10.0.0.1');
  await world.kubernetes.create(Pod, pod);
  await world.kubernetes.create(Pod, newPod('node-1', 'without', '10.0.0.2'));
  const endpoint = podToWorkloadEndpoint(pod);
  if (endpoint === undefined) throw new Error('the pod has no endpoint');
  await world.calico.create(WorkloadEndpoint, endpoint);
  const context = world.open();
  startWorkloadEndpointUpdates(context, config);
  const change = { metadata: { labels: { app: 'web' } } };
  await world.kubernetes.patch(Pod, { namespace: 'default', name: 'web' }, change, { type: 'merge' });
  await world.clock.advance(1000);
  const [stored, ...others] = (await world.calico.list(WorkloadEndpoint)).items;
  expect(others).toEqual([]);
  expect(stored?.metadata.labels).toMatchObject({ ...endpoint.metadata.labels, app: 'web' });
  expect(stored?.spec.ipNetworks).toEqual(['10.0.0.1/32']);
  await world.kubernetes.delete(Pod, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 0 });
  await world.clock.advance(1000);
  expect((await world.calico.list(WorkloadEndpoint)).items).toHaveLength(1);
  context.stop();
});
