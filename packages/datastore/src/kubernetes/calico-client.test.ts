import { afterEach, describe, expect, test } from 'bun:test';
import { GlobalNetworkPolicy, GlobalNetworkSet, Pod, Tier } from '@calico/api';
import { type Clock, seededRandom } from '@calico/reconcile';
import { codeOf } from '../contract/harness.ts';
import { globalNetworkSet } from '../contract/objects.ts';
import { type Asked, type ScriptedServer, startScriptedServer, statusResponse } from '../testing/scripted-server.ts';
import { calicoWriteRules } from '../write-rules.ts';
import { calicoClient } from './calico-client.ts';
import { processClock } from './system-time.ts';

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const quickClock: Clock = { ...processClock, sleep: () => Promise.resolve() };

function start(answer: (asked: Asked, count: number) => Response, env: Record<string, string> = {}) {
  const started = startScriptedServer(answer);
  server = started;
  const client = calicoClient({ server: started.url }, { env, clock: quickClock, random: seededRandom(1) });
  return { client, asked: started.asked };
}

const groups = (...names: string[]): Response => Response.json({ groups: names.map(name => ({ name })) });
const noObjects = (): Response => Response.json({ metadata: { resourceVersion: '1' }, items: [] });
const GONE = (): Response => statusResponse(404, 'NotFound', 'not found');

describe('the API group', () => {
  const v3 = '/apis/projectcalico.org/v3/globalnetworksets';
  const v1 = '/apis/crd.projectcalico.org/v1/globalnetworksets';
  const cases: { name: string; answer: () => Response; want: string }[] = [
    { name: 'is v3 where only that is', answer: () => groups('apps', 'projectcalico.org'), want: v3 },
    {
      name: 'is v1 where both are',
      answer: () => groups('projectcalico.org', 'crd.projectcalico.org'),
      want: v1,
    },
    { name: 'is v1 where only that is', answer: () => groups('crd.projectcalico.org'), want: v1 },
    { name: 'is v1 where neither is', answer: () => groups('apps'), want: v1 },
    { name: 'is v1 where the server refuses to tell', answer: () => statusResponse(403, 'Forbidden', 'no'), want: v1 },
    { name: 'is v1 where the server fails', answer: () => statusResponse(500, 'InternalError', 'broken'), want: v1 },
    { name: 'is v1 where the answer is no JSON', answer: () => new Response('<html>'), want: v1 },
    { name: 'is v1 where the answer makes no sense', answer: () => Response.json({ groups: 7 }), want: v1 },
  ];
  for (const { name, answer, want } of cases) {
    test(name, async () => {
      const { client, asked } = start(({ path }) => (path === '/apis' ? answer() : noObjects()));
      await client.list(GlobalNetworkSet);
      await client.list(GlobalNetworkSet);
      expect(asked.map(({ path }) => path)).toEqual(['/apis', want, want]);
    });
  }

  test('is that of the environment, and nobody is asked', async () => {
    for (const [group, want] of Object.entries({ 'projectcalico.org/v3': v3, 'crd.projectcalico.org/v1': v1 })) {
      const { client, asked } = start(noObjects, { CALICO_API_GROUP: group });
      await client.list(GlobalNetworkSet);
      expect(asked.map(({ path }) => path)).toEqual([want]);
      await server?.stop();
    }
    expect(() => start(noObjects, { CALICO_API_GROUP: 'v2' })).toThrow(
      'CALICO_API_GROUP is "v2"; allowed: projectcalico.org/v3, crd.projectcalico.org/v1',
    );
  });

  test('is asked for again by the next request, when the server did not answer', async () => {
    const { client, asked } = start(({ path }, count) => {
      if (path !== '/apis') return noObjects();
      return count === 1 ? statusResponse(503, 'ServiceUnavailable', 'starting') : groups('projectcalico.org');
    });
    expect(await codeOf(client.list(GlobalNetworkSet))).toBe('Unavailable');
    await client.list(GlobalNetworkSet);
    expect(asked.map(({ path }) => path)).toEqual(['/apis', '/apis', v3]);
  });

  test('does not matter for other kinds', async () => {
    const { client, asked } = start(noObjects);
    await client.list(Pod);
    expect(asked.map(({ path }) => path)).toEqual(['/api/v1/pods']);
  });
});

describe('under crd.projectcalico.org/v1', () => {
  const env = { CALICO_API_GROUP: 'crd.projectcalico.org/v1' };

  test('a selector is the affair of the server only where it has all labels', async () => {
    const item = (name: string, role: string) => ({
      metadata: { name, annotations: { 'projectcalico.org/metadata': JSON.stringify({ labels: { role } }) } },
      spec: {},
    });
    const answer = (): Response => Response.json({ metadata: {}, items: [item('a', 'web'), item('b', 'db')] });
    const { client, asked } = start(answer, env);
    const { items } = await client.list(GlobalNetworkSet, { labelSelector: 'role=web' });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['a']);
    await client.list(GlobalNetworkSet, { labelSelector: 'projectcalico.org/x in (a, b)' });
    const byName = await client.list(GlobalNetworkSet, { fieldSelector: 'metadata.name=b' });
    expect(byName.items.map(({ metadata }) => metadata.name)).toEqual(['b']);
    expect(asked.map(({ query }) => query.labelSelector ?? query.fieldSelector ?? '')).toEqual([
      '',
      'projectcalico.org/x in (a, b)',
      '',
    ]);
    expect(await codeOf(client.list(GlobalNetworkSet, { labelSelector: 'role=(' }))).toBe('Invalid');
    expect(await codeOf(client.list(GlobalNetworkSet, { fieldSelector: 'spec.x=1' }))).toBe('Invalid');
  });

  test('a created object has its time, and its defaults', async () => {
    const { client, asked } = start(({ body }) => new Response(body), env);
    const made = await client.create(GlobalNetworkSet, globalNetworkSet('a'));
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(JSON.parse(asked[0]?.body ?? '')).toMatchObject({ kind: 'GlobalNetworkSet', metadata: { name: 'a' } });
  });

  test('what is not valid is not sent', async () => {
    const { client, asked } = start(noObjects, env);
    const bad = { ...globalNetworkSet('a'), spec: { nets: ['no net'] } };
    expect(await codeOf(client.create(GlobalNetworkSet, bad))).toBe('Invalid');
    expect(await codeOf(client.update(GlobalNetworkSet, bad))).toBe('Invalid');
    expect(asked).toEqual([]);
  });
});

describe('with the rules of writes', () => {
  const root = '/apis/projectcalico.org/v3';
  const v3Policy = { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkPolicy' };
  const policy = { ...v3Policy, metadata: { name: 'p' }, spec: { tier: 'apps', selector: 'all()' } };
  /** A server with these objects, by their paths. */
  const open = (objects: Record<string, object>) => {
    const started = startScriptedServer(({ method, path, body }) => {
      if (method !== 'GET') return method === 'DELETE' ? Response.json({}) : new Response(body);
      const found = objects[path];
      return found === undefined ? GONE() : Response.json(found);
    });
    server = started;
    const options = { apiGroup: 'projectcalico.org/v3', rules: calicoWriteRules, clock: quickClock } as const;
    const client = calicoClient({ server: started.url }, { ...options, random: seededRandom(1) });
    const written = () =>
      started.asked.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);
    return { client, written };
  };
  const tier = { metadata: { name: 'apps', resourceVersion: '1' }, spec: { order: 1, defaultAction: 'Deny' } };

  test('a policy whose tier is not there is not sent', async () => {
    const without = open({});
    expect(await codeOf(without.client.create(GlobalNetworkPolicy, policy))).toBe('NotFound');
    expect(await codeOf(without.client.update(GlobalNetworkPolicy, policy))).toBe('NotFound');
    expect(without.written()).toEqual([]);
    await server?.stop();
    const { client, written } = open({ [`${root}/tiers/apps`]: tier });
    await client.create(GlobalNetworkPolicy, policy);
    expect(written()).toEqual([`POST ${root}/globalnetworkpolicies`]);
  });

  test('a tier is deleted when nothing is in it', async () => {
    const kinds = ['networkpolicies', 'globalnetworkpolicies', 'stagednetworkpolicies', 'stagedglobalnetworkpolicies'];
    const empty = Object.fromEntries(
      kinds.map(kind => [`${root}/${kind}`, { metadata: { resourceVersion: '1' }, items: [] }]),
    );
    const objects: Record<string, object> = { ...empty, [`${root}/tiers/apps`]: tier };
    const { client, written } = open(objects);
    objects[`${root}/globalnetworkpolicies`] = { metadata: { resourceVersion: '1' }, items: [policy] };
    expect(await codeOf(client.delete(Tier, { name: 'apps' }))).toBe('Invalid');
    objects[`${root}/globalnetworkpolicies`] = { metadata: { resourceVersion: '1' }, items: [] };
    await client.delete(Tier, { name: 'apps' });
    expect(written()).toEqual([`DELETE ${root}/tiers/apps`]);
  });
});

describe('a policy under its old name', () => {
  const env = { CALICO_API_GROUP: 'crd.projectcalico.org/v1' };
  const root = '/apis/crd.projectcalico.org/v1/globalnetworkpolicies';
  const stored = (name: string, tier = 'default') => ({ metadata: { name, resourceVersion: '3' }, spec: { tier } });

  test('is read, replaced and deleted under its new one', async () => {
    const { client, asked } = start(({ path, method, body }) => {
      if (path !== `${root}/default.web`) return GONE();
      return method === 'PUT' ? new Response(body) : Response.json(stored('default.web'));
    }, env);
    const found = await client.get(GlobalNetworkPolicy, { name: 'web' });
    expect(found.metadata.name).toBe('web');
    const replaced = await client.update(GlobalNetworkPolicy, found);
    expect(replaced.metadata.name).toBe('web');
    await client.delete(GlobalNetworkPolicy, { name: 'web' });
    const put = asked.findLast(({ method }) => method === 'PUT');
    expect(JSON.parse(put?.body ?? '').metadata.name).toBe('default.web');
    expect(asked.at(-1)).toMatchObject({ method: 'DELETE', path: `${root}/default.web` });
  });

  test('is absent when the one of that name is of another tier', async () => {
    const { client } = start(
      ({ path }) => (path === `${root}/default.web` ? Response.json(stored('default.web', 'ops')) : GONE()),
      env,
    );
    expect(await codeOf(client.get(GlobalNetworkPolicy, { name: 'web' }))).toBe('NotFound');
    expect(await codeOf(client.delete(GlobalNetworkPolicy, { name: 'web' }))).toBe('NotFound');
  });
});

test('a patch that others come before is done again on what they made, unless it names a version', async () => {
  let version = 1;
  const { client, asked } = start(
    ({ method, body }) => {
      if (method === 'GET') {
        return Response.json({ ...globalNetworkSet('a'), metadata: { name: 'a', resourceVersion: String(version) } });
      }
      const old = Number(JSON.parse(body).metadata.resourceVersion);
      if (old === version && version++ > 2) return new Response(body);
      return statusResponse(409, 'Conflict', 'changed');
    },
    { CALICO_API_GROUP: 'projectcalico.org/v3' },
  );
  const patch = { spec: { nets: ['10.0.0.0/8'] } };
  const done = await client.patch(GlobalNetworkSet, { name: 'a' }, patch, { type: 'merge' });
  expect(done.spec.nets).toEqual(['10.0.0.0/8']);
  expect(asked.map(({ method }) => method)).toEqual(['GET', 'PUT', 'GET', 'PUT', 'GET', 'PUT']);
  const old = { metadata: { resourceVersion: '1' }, ...patch };
  expect(await codeOf(client.patch(GlobalNetworkSet, { name: 'a' }, old, { type: 'merge' }))).toBe('Conflict');
  expect(asked).toHaveLength(7);
});
