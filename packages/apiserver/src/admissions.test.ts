import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startTestServer, type TestServer } from './testing.ts';

const CALICO = '/apis/projectcalico.org/v3';
let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(async () => {
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
});

test('the built-in namespaces and tiers exist from the start', async () => {
  const names = async (path: string) =>
    ((await t.call('GET', path)).body.items as unknown as { metadata: { name: string } }[]).map(i => i.metadata.name);
  expect(await names('/api/v1/namespaces')).toEqual(['default', 'kube-public', 'kube-system']);
  expect(await names(`${CALICO}/tiers`)).toEqual(['default', 'kube-admin', 'kube-baseline']);
});

test.each(['kube-admin', 'default', 'kube-baseline'])('the built-in tier %s cannot be deleted', async name => {
  expect((await t.call('DELETE', `${CALICO}/tiers/${name}`)).code).toBe(403);
});

test('the default namespace cannot be deleted', async () => {
  expect((await t.call('DELETE', '/api/v1/namespaces/default')).code).toBe(403);
});

test('a policy needs its tier, and the tier is kept while the policy is there', async () => {
  const policy = { metadata: { name: 'p' }, spec: { tier: 'apps', selector: 'all()' } };
  const refused = await t.call('POST', `${CALICO}/globalnetworkpolicies`, policy);
  expect([refused.code, String(refused.body.message)]).toEqual([
    422,
    'GlobalNetworkPolicy.projectcalico.org "p" is invalid: spec.tier: Not found: "apps": the tier must exist before policies are put into it',
  ]);
  await t.call('POST', `${CALICO}/tiers`, { metadata: { name: 'apps' }, spec: { order: 5 } });
  expect((await t.call('POST', `${CALICO}/globalnetworkpolicies`, policy)).code).toBe(201);
  const busy = await t.call('DELETE', `${CALICO}/tiers/apps`);
  expect([busy.code, String(busy.body.message)]).toEqual([
    409,
    'Operation cannot be fulfilled on tiers.projectcalico.org "apps": the tier is not empty: it holds globalnetworkpolicies "p"',
  ]);
  await t.call('DELETE', `${CALICO}/globalnetworkpolicies/p`);
  expect((await t.call('DELETE', `${CALICO}/tiers/apps`)).code).toBe(200);
});

test('IP pools do not overlap, but a pool may be updated', async () => {
  await t.call('POST', `${CALICO}/ippools`, { metadata: { name: 'wide' }, spec: { cidr: '10.0.0.0/8' } });
  const refused = await t.call('POST', `${CALICO}/ippools`, {
    metadata: { name: 'in' },
    spec: { cidr: '10.5.0.0/16' },
  });
  expect(refused.code).toBe(422);
  expect(String(refused.body.message)).toContain('overlaps IPPool "wide" (10.0.0.0/8)');
  const other = { metadata: { name: 'six' }, spec: { cidr: 'fd00::/48' } };
  expect((await t.call('POST', `${CALICO}/ippools`, other)).code).toBe(201);
  const update = { metadata: { name: 'wide' }, spec: { cidr: '10.0.0.0/8', natOutgoing: true } };
  expect((await t.call('PUT', `${CALICO}/ippools/wide`, update)).code).toBe(200);
});

test('an update does not take the finalizer of a namespace away', async () => {
  await t.call('POST', '/api/v1/namespaces', { metadata: { name: 'kept' } });
  const { body } = await t.call('PUT', '/api/v1/namespaces/kept', { metadata: { name: 'kept' }, spec: {} });
  expect(body.spec as unknown).toEqual({ finalizers: ['kubernetes'] });
});
