import { expect, test } from 'bun:test';
import { Node } from '@calico/api';
import { memoryClient } from '@calico/datastore/memory';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { calicoIsDown, calicoIsUp, setNetworkState } from './node-condition.ts';

const quiet = { debug() {}, info() {}, warn() {} };

async function node() {
  const clock = new ClockFake();
  const client = memoryClient({ clock });
  const conditions = [{ type: 'Ready', status: 'True' as const }];
  await client.create(Node, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n' },
    spec: {},
    status: { conditions },
  });
  const options = { patienceMs: 30_000, clock, random: seededRandom(1), log: quiet };
  const condition = async () =>
    (await client.get(Node, { name: 'n' })).status?.conditions?.map(({ type, status, reason }) => [
      type,
      status,
      reason,
    ]);
  return { clock, client, options, condition };
}

test('setNetworkState writes its condition beside the others, and replaces it', async () => {
  const { client, options, condition } = await node();
  await setNetworkState(client, 'n', calicoIsDown, options);
  expect(await condition()).toEqual([
    ['Ready', 'True', undefined],
    ['NetworkUnavailable', 'True', 'CalicoIsDown'],
  ]);
  await setNetworkState(client, 'n', calicoIsUp, options);
  expect(await condition()).toEqual([
    ['Ready', 'True', undefined],
    ['NetworkUnavailable', 'False', 'CalicoIsUp'],
  ]);
  expect((await client.get(Node, { name: 'n' })).status?.conditions?.[1]).toMatchObject({
    message: 'Calico is running on this node',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
});

test('setNetworkState tries again until its patience ends, then rejects with the last failure', async () => {
  const { client, clock, options, condition } = await node();
  client.failNext('patch', { code: 'Unavailable' });
  const written = setNetworkState(client, 'n', calicoIsUp, options);
  await clock.advance(1_000);
  await written;
  expect((await condition())?.[1]).toEqual(['NetworkUnavailable', 'False', 'CalicoIsUp']);

  const missing = setNetworkState(client, 'absent', calicoIsUp, options).catch((error: Error) => error.message);
  await clock.advance(31_000);
  expect(await missing).toContain('Node(absent)');
});
