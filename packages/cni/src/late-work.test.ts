import { expect, test } from 'bun:test';
import { Pod } from '@calico/api';
import { createCniHandler } from './handler.ts';
import { LateWork } from './late-work.ts';
import { fakeWorld, notedAddress, outputOf, request } from './testing.ts';

/** A world whose agent answers before a pod's address is noted, which `note` lets happen. */
async function lateWorld() {
  const world = await fakeWorld();
  await world.addPod('web');
  const gate = Promise.withResolvers<void>();
  const patch = world.client.patch.bind(world.client);
  world.client.patch = async (...args: Parameters<typeof patch>) => {
    await gate.promise;
    return (await patch(...args)) as never;
  };
  const late = new LateWork();
  return { ...world, late, note: gate.resolve, handler: createCniHandler({ ...world.deps, late }) };
}

test('ADD answers before the address is noted in the status of the pod; a DEL comes after that', async () => {
  const { handler, pod, note, late, felix } = await lateWorld();
  expect(await outputOf(handler(request('ADD')))).toHaveProperty('ips');
  expect(notedAddress(await pod('web'))).toBeFalsy();
  let deleted = false;
  const del = outputOf(handler(request('DEL'))).then(() => {
    deleted = true;
  });
  await new Promise(resolve => setImmediate(resolve));
  expect([deleted, felix.endpoints.size]).toEqual([false, 1]);
  note();
  await del;
  expect([notedAddress(await pod('web')), felix.endpoints.size]).toEqual(['', 0]);
  await late.settled();
});

test('who ends the agent waits until the address is noted', async () => {
  const { handler, pod, note, late } = await lateWorld();
  await outputOf(handler(request('ADD')));
  const settled = late.settled();
  note();
  await settled;
  expect(notedAddress(await pod('web'))).toMatch(/^10\.65\.0\./);
});

test('an address that cannot be noted is told, and the watch counts from then on', async () => {
  const { handler, client, note, late, felix, records } = await lateWorld();
  client.failNext('patch', { code: 'Forbidden' }, Pod);
  note();
  expect(await outputOf(handler(request('ADD')))).toHaveProperty('ips');
  await late.settled();
  expect(felix.notNoted).toEqual(['node--1-k8s-web-eth0']);
  expect([felix.endpoints.size, records.filter(({ level }) => level === 'warn').map(({ message }) => message)]).toEqual(
    [1, ['The address of a started pod could not be noted in its status']],
  );
});

test('an ADD whose rules the kernel refuses fails, after the address was noted and taken back', async () => {
  const { handler, pod, note, late, felix } = await lateWorld();
  felix.refusal = 'no room';
  const failed = handler(request('ADD'));
  note();
  expect(await failed).toMatchObject({ error: { msg: 'no room' } });
  await late.settled();
  expect([notedAddress(await pod('web')), felix.endpoints.size]).toEqual(['', 0]);
});
