import { expect, test } from 'bun:test';
import { Lease } from '@calico/api';
import { memoryClient } from '@calico/datastore/memory';
import { readHeartbeat } from '@calico/node';
import { createLogger } from '@calico/process';
import { ClockFake } from '@calico/reconcile';
import { readNodeEnvironment } from './environment.ts';
import { heartbeat } from './heartbeat.ts';

function agent() {
  const clock = new ClockFake();
  const kubernetes = memoryClient({ clock });
  const lines: string[] = [];
  const log = createLogger({ component: 'node', level: 'warn', write: line => void lines.push(line) });
  const state = { causes: ['starting'] as string[] };
  const health = { readiness: () => ({ ok: state.causes.length === 0, causes: state.causes, text: '' }) };
  const environment = readNodeEnvironment({ NODENAME: 'one', CALICO_K8S_NODE_REF: 'kube-one' });
  const component = heartbeat({ kubernetes, environment, log }, health, clock);
  const leases = async () => (await kubernetes.list(Lease)).items;
  return { clock, kubernetes, lines, state, component, leases };
}

test('an agent gives a sign of life when it is ready, and then every ten seconds with the cause', async () => {
  const { clock, state, component, leases } = agent();
  await component.start();
  await clock.advance(2000);
  expect(await leases()).toEqual([]);
  state.causes = [];
  await clock.advance(200);
  const [first] = await leases();
  expect(first && readHeartbeat(first)).toEqual({ node: 'kube-one', cause: undefined });
  state.causes = ['BIRD is down'];
  await clock.advance(10_000);
  const [second] = await leases();
  expect(second && readHeartbeat(second)).toEqual({ node: 'kube-one', cause: 'BIRD is down' });
  expect(second?.spec?.renewTime).not.toBe(first?.spec?.renewTime ?? '');
  await component.stop();
  expect(await leases()).toHaveLength(1);
});

test('an agent that does not get ready says so after ten seconds', async () => {
  const { clock, component, leases } = agent();
  await component.start();
  await clock.advance(10_200);
  expect((await leases()).map(readHeartbeat)).toEqual([{ node: 'kube-one', cause: 'starting' }]);
  await component.stop();
});

test('trouble on the way does not end it; a refusal does, and is told once', async () => {
  const { clock, kubernetes, state, lines, component, leases } = agent();
  state.causes = [];
  kubernetes.failNext('patch', { code: 'Unavailable' });
  await component.start();
  await clock.advance(10_000);
  expect(await leases()).toHaveLength(1);
  kubernetes.failNext('patch', { code: 'Forbidden' });
  await clock.advance(60_000);
  expect(lines.filter(line => line.includes('forbidden'))).toHaveLength(1);
  expect(clock.timers).toBe(0);
  await component.stop();
});
