import { expect, test } from 'bun:test';
import { IPAMHandle } from '@calico/api';
import { newTestWorld } from '../testing.ts';
import { startIpamGarbageCollector } from './garbage-collector.ts';
import { overcounting } from './handle-sweep.ts';
import { podOn, testBlock } from './testing.ts';

const handle = (handleID: string, block: Record<string, number>): IPAMHandle => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPAMHandle',
  metadata: { name: handleID.toLowerCase(), resourceVersion: '7' },
  spec: { handleID, block, deleted: false },
});

test('handles count too many, the right number, or for nothing', () => {
  const uses = [
    { at: 1, handle: 'net.a', attributes: podOn('n', 'a') },
    { at: 2, handle: 'net.a', attributes: podOn('n', 'a') },
    { at: 3, handle: 'Net.B', attributes: podOn('n', 'b') },
    { at: 4, releasedAt: '2026-01-01T00:00:00Z' },
  ];
  const handles = [
    handle('net.a', { '10.0.0.0/29': 2 }),
    handle('net.b', { '10.0.0.0/29': 2 }),
    handle('net.c', { '10.0.9.0/29': 1 }),
    handle('net.d', {}),
  ];
  expect([...overcounting(handles, [testBlock(0, 'host:n', uses)]).keys()]).toEqual(['net.b', 'net.c', 'net.d']);
});

test('what a crash left is settled after two looks, and what is being written is left alone', async () => {
  const world = await newTestWorld();
  await world.addPod('node-1', 'live');
  const left = handle('net.dead', { '10.0.0.0/29': 1 });
  await world.calico.create(IPAMHandle, { ...left, metadata: { name: 'net.dead' } });
  const context = world.open();
  startIpamGarbageCollector(context, { leakGracePeriodMs: 60_000 });
  const names = async () => (await world.calico.list(IPAMHandle)).items.map(({ metadata }) => metadata.name);
  await world.clock.advance(70_000);
  expect(await names()).toEqual(['net.dead', 'net.live']);
  // Somebody counts in it again: it starts anew.
  await world.calico.patch(IPAMHandle, { name: 'net.dead' }, { metadata: { labels: { a: 'b' } } }, { type: 'merge' });
  await world.clock.advance(60_000);
  expect(await names()).toEqual(['net.dead', 'net.live']);
  await world.clock.advance(60_000);
  await world.clock.advance(0);
  expect(await names()).toEqual(['net.live']);
  context.stop();
});
