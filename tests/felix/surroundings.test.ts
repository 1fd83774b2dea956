import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Resource } from '@calico/api';
import { FelixNode, faultless, missing, nothingWrong } from './felix-node.ts';

const hourMs = 3_600_000;
/** So long the API server is away: views notice it, and ask again several times. */
const awayMs = 4_000;
const bigSets = 12;
const membersOfSet = 500;
const bigPolicies = 120;
const v3 = 'projectcalico.org/v3';

describe.skipIf(missing !== undefined)(`surroundings${missing ? ` (${missing})` : ''}`, () => {
  let node: FelixNode;
  beforeAll(async () => {
    node = await FelixNode.start();
  }, 60_000);
  afterAll(() => node?.stop());

  test('the API server stands still, is killed and comes again, an hour later by the clock: no packet has the wrong fate', async () => {
    await node.endAgent();
    await node.startAgent({ suffering: {} });
    const report = await node.probe(async probe => {
      node.api.signal('SIGSTOP');
      await Bun.sleep(awayMs / 2);
      node.suffer({ clockJumpMs: hourMs, wallJumpMs: hourMs });
      await Bun.sleep(awayMs / 2);
      node.api.signal('SIGCONT');
      await node.api.restart('kill');
      console.log('after the API server was away', await node.converges(probe));
    });
    expect(faultless(report)).toEqual(nothingWrong);
  });

  test('the agent starts again and again while the API server is away: what is in the kernel stays in force', async () => {
    const report = await node.probe(async probe => {
      node.api.signal('SIGSTOP');
      for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
        await node.endAgent(signal);
        node.launchAgent();
        await node.until('it says that it is not ready', async () => (await node.readiness()).status === 503);
        await Bun.sleep(200);
      }
      node.api.signal('SIGCONT');
      await node.untilReady();
      console.log('after starts without an API server', await node.converges(probe));
    });
    expect(faultless(report)).toEqual(nothingWrong);
  });

  test('the clock of the day jumps by an hour forward and back: no packet has the wrong fate', async () => {
    await node.endAgent();
    await node.startAgent({ suffering: {} });
    const report = await node.probe(async probe => {
      for (const wallJumpMs of [hourMs, -2 * hourMs, hourMs]) {
        node.suffer({ wallJumpMs });
        await node.whilePoliciesChange(() => Bun.sleep(300));
        await node.converges(probe);
      }
      expect((await node.readiness()).status).toBe(200);
    });
    expect(faultless(report)).toEqual(nothingWrong);
  });

  test('the disk is full for folders and log: policy is followed, a start too, and all is well when there is room again', async () => {
    const folder = join(node.host.folder, 'small');
    mkdirSync(folder);
    const mount = await node.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    expect(mount).toEqual({ code: 0, text: '' });
    const output = join(folder, 'agent.log');
    const env = { CALICO_RUN_DIR: join(folder, 'run'), CALICO_LIB_DIR: join(folder, 'lib') };
    const fill = () => {
      try {
        for (let i = 0; i < 100; i++) writeFileSync(join(folder, `fill-${i}`), new Uint8Array(4096));
      } catch {}
      expect(statfsSync(folder).bavail).toBe(0);
    };
    const empty = () => {
      for (let i = 0; i < 100; i++) rmSync(join(folder, `fill-${i}`), { force: true });
    };
    try {
      await node.endAgent();
      await node.startAgent({ output, env: { ...env, FELIX_LOGSEVERITYSCREEN: 'Debug' } });
      const report = await node.probe(async probe => {
        fill();
        await node.whilePoliciesChange(() => Bun.sleep(300));
        console.log('on a full disk', await node.converges(probe));
        await node.endAgent();
        fill();
        await node.startAgent({ output, env });
        console.log('started on a full disk', await node.converges(probe));
        empty();
        await node.endAgent('SIGTERM');
        await node.startAgent({ output, env });
        await node.converges(probe);
      });
      expect(faultless(report)).toEqual(nothingWrong);
    } finally {
      await node.endAgent();
      await node.run(['umount', folder]);
    }
    await node.startAgent();
  });

  test('a big change at once: no packet has the wrong fate meanwhile, and it is taken back as well', async () => {
    await node.restartAgent();
    const report = await node.probe(async probe => {
      const resources = bigChange();
      node.agent.kill('SIGSTOP');
      await inFlight(resources, each => node.create(each));
      node.agent.kill('SIGCONT');
      console.log('during a big change', await node.converges(probe));
      const members = bigSets * membersOfSet;
      const elements = () => (node.table()?.sets ?? []).reduce((sum, set) => sum + set.elements.length, 0);
      await node.until('it is in the kernel', () => elements() > members);
      node.agent.kill('SIGSTOP');
      await inFlight(resources, each => node.delete(each));
      node.agent.kill('SIGCONT');
      await node.until('it is taken back', () => elements() < members);
      await node.converges(probe);
    });
    expect(faultless(report)).toEqual(nothingWrong);
  });
});

/** Policies that decide nothing for the flows, and large sets that they ask. */
function bigChange(): Resource[] {
  const net = (set: number, member: number) => `198.${18 + (member % 2)}.${set}.${member >> 1}/32`;
  const sets = Array.from({ length: bigSets }, (_, i) => ({
    apiVersion: v3,
    kind: 'GlobalNetworkSet',
    metadata: { name: `big-${i}`, labels: { big: `${i}` } },
    spec: { nets: Array.from({ length: membersOfSet }, (_, j) => net(i, j)) },
  }));
  const policies = Array.from({ length: bigPolicies }, (_, i) => ({
    apiVersion: v3,
    kind: 'GlobalNetworkPolicy',
    metadata: { name: `big-${i}` },
    spec: {
      order: i,
      selector: "role in {'web', 'db'}",
      types: ['Ingress'],
      ingress: [
        {
          action: i % 3 === 0 ? 'Deny' : 'Allow',
          protocol: 'UDP',
          source: { selector: `big == '${i % bigSets}'` },
          destination: { ports: [30_000 + i] },
        },
      ],
    },
  }));
  return [...sets, ...policies] as unknown as Resource[];
}

/** Works on all, some at the same time. */
async function inFlight<T>(all: readonly T[], work: (each: T) => Promise<void>): Promise<void> {
  const queue = [...all];
  const next = async () => {
    for (let each = queue.shift(); each !== undefined; each = queue.shift()) await work(each);
  };
  await Promise.all(Array.from({ length: 16 }, next));
}
