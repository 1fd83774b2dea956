import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestServer } from '../testing.ts';
import { CustomResourceDefinition } from './definition-kind.ts';

const WIDGETS = '/apis/example.com/v1/namespaces/default/widgets';

test('definitions and their objects outlive the server, and a half-done deletion is finished by the next one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'calico-custom-'));
  const storePath = join(folder, 'store.db');
  const first = await startTestServer({ storePath });
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  expect((await first.call('POST', definitions, CustomResourceDefinition.example())).code).toBe(201);
  const held = { metadata: { name: 'w', finalizers: ['example.com/held'] } };
  expect((await first.call('POST', WIDGETS, held)).code).toBe(201);
  await first.call('DELETE', `${definitions}/widgets.example.com`);
  expect((await first.call('POST', WIDGETS, { metadata: { name: 'late' } })).code).toBe(405);
  await first.server.stop();

  const second = await startTestServer({ storePath });
  expect((await second.call('GET', `${WIDGETS}/w`)).code).toBe(200);
  const watch = await second.watch(`${definitions}?watch=true`);
  expect(await watch.names(1)).toEqual(['ADDED widgets.example.com']);
  const merge = { 'content-type': 'application/merge-patch+json' };
  await second.call('PATCH', `${WIDGETS}/w`, { metadata: { finalizers: null } }, merge);
  for (let event = await watch.next(); event?.type !== 'DELETED'; event = await watch.next())
    expect(event).toBeDefined();
  expect((await second.call('GET', WIDGETS)).code).toBe(404);
  await watch.close();
  expect([...first.log.errors, ...second.log.errors]).toEqual([]);
  await second.server.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('the rules of stored definitions hold after a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'calico-custom-'));
  const storePath = join(folder, 'store.db');
  const first = await startTestServer({ storePath });
  const definition = CustomResourceDefinition.example();
  const schema = { type: 'object', 'x-kubernetes-validations': [{ rule: "self.metadata.name.startsWith('w')" }] };
  const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }];
  const body = { ...definition, spec: { ...Object(definition.spec), versions } };
  expect((await first.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', body)).code).toBe(201);
  await first.server.stop();
  const second = await startTestServer({ storePath });
  expect((await second.call('POST', WIDGETS, { metadata: { name: 'x' } })).code).toBe(422);
  expect((await second.call('POST', WIDGETS, { metadata: { name: 'w' } })).code).toBe(201);
  await second.server.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('the watches of a kind end when its definition is gone, after the last event', async () => {
  const t = await startTestServer();
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await t.call('POST', definitions, CustomResourceDefinition.example());
  await t.call('POST', WIDGETS, { metadata: { name: 'w' } });
  const watch = await t.watch(`${WIDGETS}?watch=true`);
  const other = await t.watch('/api/v1/configmaps?watch=true');
  await t.call('DELETE', `${definitions}/widgets.example.com`);
  expect(await watch.names(3)).toEqual(['ADDED w', 'DELETED w']);
  await t.call('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'c' } });
  expect(await other.names(1)).toEqual(['ADDED c']);
  await other.close();
  await t.server.stop();
});
