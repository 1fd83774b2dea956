import { expect, test } from 'bun:test';
import { IPAMBlock, IPAMHandle, Pod } from '@calico/api';
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

test('an ADD whose rules the kernel refuses fails, and its address is never noted', async () => {
  const { handler, pod, note, late, felix } = await lateWorld();
  felix.refusal = 'no room';
  note();
  expect(await handler(request('ADD'))).toMatchObject({ error: { msg: 'no room' } });
  await late.settled();
  expect([notedAddress(await pod('web')), felix.endpoints.size]).toEqual([undefined, 0]);
});

/** A world with a pod's network whose handle stays until `letGo` lets it go. */
async function worldWithHandle() {
  const world = await fakeWorld();
  await world.addPod('web');
  const late = new LateWork();
  const handler = createCniHandler({ ...world.deps, late });
  await outputOf(handler(request('ADD')));
  await late.settled();
  const gate = Promise.withResolvers<void>();
  const remove = world.client.delete.bind(world.client);
  world.client.delete = async (kind, ...rest) => {
    if (kind.kind === IPAMHandle.kind) await gate.promise;
    await remove(kind, ...rest);
  };
  const handles = async () => (await world.client.list(IPAMHandle)).items.length;
  return { ...world, late, handler, letGo: gate.resolve, handles };
}

test('DEL answers when the address is free; the handle goes after that, before the next call of the container', async () => {
  const { handler, late, letGo, handles, ipam } = await worldWithHandle();
  expect(await ipam.addressesByHandle('net.c1')).toHaveLength(1);
  expect(await outputOf(handler(request('DEL')))).toBeNull();
  expect([await handles(), await ipam.addressesByHandle('net.c1')]).toEqual([1, []]);
  const again = outputOf(handler(request('ADD')));
  letGo();
  expect(await again).toHaveProperty('ips');
  await late.settled();
  expect([await handles(), await ipam.addressesByHandle('net.c1')]).toEqual([1, [expect.anything()]]);
});

test('a handle that cannot be deleted after the answer is told; the next DEL takes it', async () => {
  const { handler, client, late, letGo, handles, records } = await worldWithHandle();
  letGo();
  client.failNext('delete', { code: 'Forbidden' }, IPAMHandle);
  expect(await outputOf(handler(request('DEL')))).toBeNull();
  await late.settled();
  const warnings = () => records.filter(({ level }) => level === 'warn').map(({ message }) => message);
  expect([await handles(), warnings()]).toEqual([
    1,
    ['The handle of released addresses could not be deleted; kube-controllers does it'],
  ]);
  expect(await outputOf(handler(request('DEL')))).toBeNull();
  await late.settled();
  expect([await handles(), warnings().length]).toEqual([0, 1]);
});

test('a DEL whose address could not be released fails', async () => {
  const { handler, client, late, letGo, handles, ipam } = await worldWithHandle();
  letGo();
  client.failNext('update', { code: 'Unavailable' }, IPAMBlock);
  await expect(outputOf(handler(request('DEL')))).rejects.toThrow('11: ');
  await late.settled();
  expect([await handles(), (await ipam.addressesByHandle('net.c1')).length]).toEqual([1, 1]);
});

test('without an agent DEL answers when the handle is gone too', async () => {
  const { deps, letGo, handles } = await worldWithHandle();
  let answered = false;
  const alone = outputOf(createCniHandler(deps)(request('DEL'))).then(() => {
    answered = true;
  });
  await new Promise(resolve => setImmediate(resolve));
  expect([answered, await handles()]).toEqual([false, 1]);
  letGo();
  await alone;
  expect(await handles()).toBe(0);
});
