import { expect, test } from 'bun:test';
import { fakeKernel } from '@calico/kernel/fake';
import { ClockFake } from '@calico/reconcile';
import { isTrash, LinkTrash, trashGatherMs } from './link-trash.ts';

const silent = { warn: () => undefined, info: () => undefined, debug: () => undefined, error: () => undefined };

test('a discarded link is marked at once and out of existence a moment later', async () => {
  const kernel = fakeKernel();
  const clock = new ClockFake();
  const trash = new LinkTrash(kernel, clock, silent);
  trash.discard(kernel.createLink({ kind: 'veth', name: 'cali1', peer: { name: 'pod' } }));
  expect(kernel.links().filter(isTrash)).toHaveLength(1);
  await clock.advance(trashGatherMs);
  expect(kernel.links().map(link => link.name)).toEqual(['lo']);
});

test('a link whose name is needed goes at once, and its number is not deleted a second time', async () => {
  const kernel = fakeKernel();
  const clock = new ClockFake();
  const trash = new LinkTrash(kernel, clock, silent);
  const link = kernel.createLink({ kind: 'veth', name: 'cali1', peer: { name: 'pod' } });
  trash.discard(link);
  trash.remove(link);
  expect(kernel.link('cali1')).toBeUndefined();
  kernel.createLink({ kind: 'veth', name: 'cali1', peer: { name: 'pod' } });
  await clock.advance(trashGatherMs);
  expect(kernel.link('cali1')).toBeDefined();
});

test('what an agent that ended has discarded is deleted by the next', async () => {
  const kernel = fakeKernel();
  new LinkTrash(kernel, new ClockFake(), silent).discard(
    kernel.createLink({ kind: 'veth', name: 'cali1', peer: { name: 'pod' } }),
  );
  const clock = new ClockFake();
  new LinkTrash(kernel, clock, silent);
  await clock.advance(trashGatherMs);
  expect(kernel.link('cali1')).toBeUndefined();
});

test('a link that the kernel has taken away by then is discarded already', () => {
  const kernel = fakeKernel();
  const trash = new LinkTrash(kernel, new ClockFake(), silent);
  const link = kernel.createLink({ kind: 'veth', name: 'cali1', peer: { name: 'pod' } });
  kernel.deleteLink(link.index);
  trash.discard(link);
  kernel.createLink({ kind: 'veth', name: 'cali2', peer: { name: 'pod2' } });
  kernel.failNext('setLink', 'EPERM');
  expect(() => trash.discard(kernel.link('cali2') ?? { index: 0 })).toThrow('EPERM');
});
