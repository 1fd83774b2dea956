import { expect, test } from 'bun:test';
import { defaultDataplaneConfig, tableName } from '@calico/dataplane';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import { createLogger } from '@calico/process';
import { ClosedStart } from './closed-start.ts';

function start(kernel: FakeKernel, lines: string[] = []): ClosedStart {
  const log = createLogger({ component: 'test', write: line => void lines.push(line) });
  return new ClosedStart(kernel, { ...defaultDataplaneConfig, nodeName: 'node1' }, log);
}
const hasTable = (kernel: FakeKernel) => kernel.nftables.tables().some(({ name }) => name === tableName);
const addPod = (kernel: FakeKernel) => kernel.createLink({ kind: 'veth', name: 'cali1', peer: { name: 'eth0' } });

test('a node without pods is closed before the first of them, once', () => {
  const kernel = fakeKernel();
  const closed = start(kernel);
  addPod(kernel);
  expect(closed.close()).toBe(true);
  expect(hasTable(kernel)).toBe(true);
  const before = kernel.dump();
  expect(closed.close()).toBe(true);
  expect(kernel.dump()).toEqual(before);
});

test('a node that has pods and none of our rules is left alone', () => {
  const kernel = fakeKernel();
  addPod(kernel);
  expect(start(kernel).close()).toBe(false);
  expect(hasTable(kernel)).toBe(false);
});

test('a refusal of the kernel is told, and pods wait', () => {
  const kernel = fakeKernel();
  const lines: string[] = [];
  kernel.nftables.transaction = () => {
    throw new Error('no room');
  };
  expect(start(kernel, lines).close()).toBe(false);
  expect(lines.join('')).toContain('no room');
});

test('a kernel that does not tell its tables keeps nobody from going on', () => {
  const kernel = fakeKernel();
  const lines: string[] = [];
  kernel.nftables.tables = () => {
    throw new Error('not now');
  };
  expect(start(kernel, lines).close()).toBe(false);
  expect(lines.join('')).toContain('not now');
});
