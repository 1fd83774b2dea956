import { expect, test } from 'bun:test';
import { logGroup } from '@calico/dataplane';
import { fakeKernel } from '@calico/kernel/fake';
import { createLogger, createMetrics } from '@calico/process';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { type LineLimit, PacketLog } from './packet-log.ts';

function setting() {
  const kernel = fakeKernel();
  const clock = new ClockFake();
  const lines: string[] = [];
  const log = createLogger({ component: 'felix', write: (line: string) => void lines.push(line) });
  const dropped = createMetrics().counter('felix_packet_lines_dropped', 'test');
  const open = (limit?: LineLimit) =>
    new PacketLog({
      ...{ kernel, clock, random: seededRandom(1), log, dropped },
      prefix: () => 'calico-packet',
      limit: () => limit,
      tierOf: () => 't',
    });
  const send = (rule = 'np/shop/web/ingress/0') =>
    kernel.logPacket(logGroup, {
      prefix: rule,
      inInterface: 1,
      outInterface: undefined,
      bytes: new Uint8Array(),
    });
  const packets = () => lines.filter(line => line.includes('calico-packet: IN=lo OUT=')).length;
  return { kernel, clock, lines, open, send, packets };
}

test('a packet that a Log rule meets is a line with the prefix and the interface', () => {
  const { open, send, packets } = setting();
  const packetLog = open();
  send();
  expect(packets()).toBe(1);
  packetLog.close();
  send();
  expect(packets()).toBe(1);
});

test('a flood of packets writes 500 lines at once and 100 a second from then on, and says what it left out', async () => {
  const { clock, lines, open, send, packets } = setting();
  open();
  for (let i = 0; i < 2000; i++) send();
  expect(packets()).toBe(500);
  await clock.advance(1000);
  for (let i = 0; i < 2000; i++) send();
  expect(packets()).toBe(600);
  expect(lines.filter(line => line.includes('1500')).length).toBe(1);
});

test('while another agent still has the group it is tried again', async () => {
  const { kernel, clock, open, send, packets } = setting();
  const other = kernel.logPackets(logGroup, { packet: () => undefined, lost: () => undefined });
  open();
  other.close();
  send();
  expect(packets()).toBe(0);
  await clock.advance(1000);
  send();
  expect(packets()).toBe(1);
});

test('each rule writes as many lines as its limit says, after a burst', async () => {
  const { clock, open, send, packets } = setting();
  open({ lines: 10, per: 60_000, burst: 3 });
  for (let i = 0; i < 10; i++) send();
  expect(packets()).toBe(3);
  send('np/shop/other/ingress/0');
  expect(packets()).toBe(4);
  await clock.advance(6_000);
  for (let i = 0; i < 10; i++) send();
  expect(packets()).toBe(5);
  await clock.advance(3_600_000);
  for (let i = 0; i < 10; i++) send();
  expect(packets()).toBe(8);
});
