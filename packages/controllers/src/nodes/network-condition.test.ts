import { describe, expect, test } from 'bun:test';
import { Lease, Node } from '@calico/api';
import { calicoIsDown, calicoIsUp, sendHeartbeat, setNetworkState } from '@calico/node';
import { addNodes, newTestWorld, type TestWorld } from '../testing.ts';
import { networkState, startNetworkConditions } from './network-condition.ts';

test.each([
  [undefined, 0, true, 'CalicoIsUp'],
  [undefined, 40_000, true, 'CalicoIsUp'],
  [undefined, 40_001, false, 'CalicoAgentSilent'],
  ['BIRD is down', 0, false, 'CalicoAgentNotReady'],
  ['BIRD is down', 60_000, false, 'CalicoAgentSilent'],
] as const)('a heartbeat with the cause %p, %p ms old: %p, %s', (cause, silentMs, available, reason) => {
  expect(networkState({ node: 'one', cause }, silentMs)).toMatchObject({ available, reason });
});

describe('the condition of a node', () => {
  const conditionOf = async ({ kubernetes }: TestWorld, name = 'one') => {
    const { status } = await kubernetes.get(Node, { name });
    const found = status?.conditions?.find(({ type }) => type === 'NetworkUnavailable');
    return found === undefined ? undefined : `${found.status} ${found.reason}`;
  };
  const start = async () => {
    const world = await newTestWorld();
    await addNodes(world.kubernetes, 'one', 'calico');
    const options = { patienceMs: 0, clock: world.clock, random: { next: () => 0 }, log: world.open().log };
    const set = (state: typeof calicoIsUp, name = 'one') => setNetworkState(world.kubernetes, name, state, options);
    await set(calicoIsUp);
    await set(calicoIsDown, 'calico');
    const beat = async (cause?: string) => {
      await sendHeartbeat(world.kubernetes, { node: 'one', cause }, world.clock);
      await world.clock.advance(10_000);
    };
    await beat();
    const context = world.open();
    startNetworkConditions(context);
    await world.clock.advance(0);
    return { world, context, beat, set };
  };

  test('says that the agent is silent after 40 s, until it is back', async () => {
    const { world, context, beat } = await start();
    for (let i = 0; i < 10; i++) await beat();
    expect(await conditionOf(world)).toBe('False CalicoIsUp');
    await world.clock.advance(29_000);
    expect(await conditionOf(world)).toBe('False CalicoIsUp');
    await world.clock.advance(10_000);
    expect(await conditionOf(world)).toBe('True CalicoAgentSilent');
    await beat();
    expect(await conditionOf(world)).toBe('False CalicoIsUp');
    context.stop();
  });

  test('names the cause of an agent that is not ready', async () => {
    const { world, context, beat } = await start();
    await beat('BIRD is down');
    expect(await conditionOf(world)).toBe('True CalicoAgentNotReady');
    const { status } = await world.kubernetes.get(Node, { name: 'one' });
    expect(status?.conditions?.[0]?.message).toBe('BIRD is down');
    await beat();
    expect(await conditionOf(world)).toBe('False CalicoIsUp');
    context.stop();
  });

  test('is left alone where no agent of ours gives signs of life, and where others wrote it', async () => {
    const { world, context, beat, set } = await start();
    await world.clock.advance(300_000);
    expect(await conditionOf(world, 'calico')).toBe('True CalicoIsDown');
    await set(calicoIsDown);
    await beat();
    expect(await conditionOf(world)).toBe('True CalicoIsDown');
    context.stop();
  });

  test('does not change because the API server was away: the silence counts from its return', async () => {
    const { world, context, beat } = await start();
    for (let i = 0; i < 30; i++) {
      for (const op of ['watch', 'list'] as const) world.kubernetes.failNext(op, { code: 'Unavailable' }, Lease);
    }
    world.kubernetes.endWatches();
    await world.clock.advance(100_000);
    expect(context.views.troubles).not.toEqual([]);
    expect(await conditionOf(world)).toBe('False CalicoIsUp');
    while (context.views.troubles.length > 0) await world.clock.advance(1000);
    await world.clock.advance(20_000);
    expect(await conditionOf(world)).toBe('False CalicoIsUp');
    await beat();
    expect(await conditionOf(world)).toBe('False CalicoIsUp');
    context.stop();
  });

  test('of a node that is gone takes its Lease with it', async () => {
    const { world, context } = await start();
    await world.kubernetes.delete(Node, { name: 'one' });
    await world.clock.advance(10_000);
    expect((await world.kubernetes.list(Lease)).items).toEqual([]);
    context.stop();
  });
});
