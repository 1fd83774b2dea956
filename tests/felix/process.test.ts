import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { seededRandom } from '@calico/reconcile';
import { FelixNode, faultless, missing, nothingWrong } from './felix-node.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { pods } from './world.ts';

const kills = 16;
const restarts = 20;
/** From the start of an agent on, in ms: in it fall its start, its first view of the cluster and its first writes. */
const killedWithin = 900;

/** Connections between pods that no policy selects for it, of both families. */
const tcp: TcpFlow[] = [
  { from: 'web', to: 'client' },
  { from: 'client', to: 'other' },
].flatMap(({ from, to }) => {
  const { ip = '', ip6 = '' } = pods.find(each => each.name === to) ?? {};
  return [ip, ip6].flatMap(address => [5001, 5002].map(port => ({ from, to, address, port })));
});

describe.skipIf(missing !== undefined)(`the agent's process${missing ? ` (${missing})` : ''}`, () => {
  let node: FelixNode;
  beforeAll(async () => {
    node = await FelixNode.start();
  }, 60_000);
  afterAll(() => node?.stop());

  test('without a fault no packet has the wrong fate, and a change of policy is followed', async () => {
    const report = await node.probe(async probe => {
      console.log('without a fault', await node.converges(probe));
    });
    expect(faultless(report)).toEqual(nothingWrong);
    expect(Math.min(report.allowed, report.denied)).toBeGreaterThan(100);
  });

  test(`kill -9 at ${kills} moments of its start, its first view and its writes: no packet has the wrong fate`, async () => {
    const random = seededRandom(6);
    const report = await node.probe(async probe => {
      await node.whilePoliciesChange(async () => {
        for (let i = 0; i < kills; i++) {
          await node.endAgent();
          node.launchAgent();
          await Bun.sleep(random.next() * killedWithin);
        }
        await node.endAgent();
      });
      await node.startAgent();
      console.log('after kill -9', await node.converges(probe));
    });
    expect(faultless(report)).toEqual(nothingWrong);
  });

  test(`${restarts} restarts reset no connection and lose no segment`, async () => {
    const report = await node.probe(
      async () => {
        for (let i = 0; i < restarts; i++) {
          await node.endAgent(i % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
          await node.startAgent();
        }
      },
      { tcp },
    );
    expect(faultless(report)).toEqual(nothingWrong);
    const { sentBytes = 0, ...fate } = report.tcp ?? {};
    expect(sentBytes).toBeGreaterThan(100_000);
    const whole = { connections: tcp.length, alive: tcp.length, echoedBytes: sentBytes, resets: 0, lostSegments: 0 };
    expect(fate).toEqual(whole);
  });

  test('a build with other names and places for everything takes over, and gives back, without an open moment', async () => {
    const other = [process.execPath, '--preload', join(import.meta.dir, 'other-build.ts')];
    const program = join(import.meta.dir, '../../packages/programs/src/main.ts');
    const command = [...other, program, 'component', 'node'];
    const report = await node.probe(
      async probe => {
        const names = () =>
          node
            .table()
            ?.sets.map(({ set }) => set.name)
            .join(' ') ?? '';
        expect(names()).not.toContain('next-');
        await node.endAgent('SIGTERM');
        await node.startAgent({ command });
        expect(names()).toContain('next-');
        expect(node.table()?.chains.find(({ chain }) => chain.name === 'forward-egress')?.chain.priority).toBe(-5);
        console.log('the other build', await node.converges(probe));
        await node.endAgent();
        await node.startAgent();
        expect(names()).not.toContain('next-');
        await node.converges(probe);
      },
      { tcp },
    );
    expect(faultless(report)).toEqual(nothingWrong);
    const { alive, resets, lostSegments } = report.tcp ?? {};
    expect({ alive, resets, lostSegments }).toEqual({ alive: tcp.length, resets: 0, lostSegments: 0 });
  });
});
