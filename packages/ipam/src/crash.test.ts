import { expect, test } from 'bun:test';
import { isOutcomeUnknown } from '@calico/datastore';
import { addr } from '@calico/ip';
import { seededRandom } from '@calico/reconcile';
import { isIpamError } from './error.ts';
import { Ipam } from './ipam.ts';
import { assign, everything, newWorld, podRequest, type World } from './testing.ts';
import { type Fate, TroubledClient } from './testing-trouble.ts';

interface Scenario {
  readonly name: string;
  /** Before any trouble. */
  readonly prepare?: (world: World, ipam: Ipam) => Promise<void>;
  readonly act: (ipam: Ipam) => Promise<unknown>;
}

const request = podRequest('node-1', 'pod');
const scenarios: Scenario[] = [
  { name: 'the first address of a node', act: ipam => ipam.autoAssign(request) },
  {
    name: 'an address of a known block',
    prepare: async (_, ipam) => void (await assign(ipam, podRequest('node-1', 'other'))),
    act: ipam => ipam.autoAssign(request),
  },
  {
    name: 'more addresses than a block has, under a handle with some',
    prepare: async (_, ipam) => void (await assign(ipam, request)),
    act: ipam => ipam.autoAssign({ ...request, ipv4: 6 }),
  },
  {
    name: 'a borrowed address',
    prepare: async (world, ipam) => {
      await world.change('pool', { disabled: true });
      await world.pool('tiny', { cidr: '10.9.0.0/30', blockSize: 30 });
      await assign(ipam, podRequest('node-2', 'other'));
    },
    act: ipam => ipam.autoAssign(request),
  },
  {
    name: 'a block that stood empty',
    prepare: async (world, ipam) => {
      await world.change('pool', { disabled: true });
      await world.pool('tiny', { cidr: '10.9.0.0/30', blockSize: 30 });
      await assign(ipam, podRequest('node-2', 'other'));
      await ipam.releaseByHandle('net.other');
      await world.clock.advance(60_000);
    },
    act: ipam => ipam.autoAssign(request),
  },
  {
    name: 'a particular address',
    act: ipam => ipam.assignIp({ ...request, address: addr('10.0.0.9') }),
  },
  {
    name: 'release by handle, out of two blocks',
    prepare: async (_, ipam) => void (await assign(ipam, { ...request, ipv4: 6 })),
    act: ipam => ipam.releaseByHandle(request.handle),
  },
  {
    name: 'release of an address',
    prepare: async (_, ipam) => void (await ipam.assignIp({ ...request, address: addr('10.0.0.9') })),
    act: ipam => ipam.releaseIps([{ address: addr('10.0.0.9') }]),
  },
  {
    name: 'release of the affinities of a node',
    prepare: async (_, ipam) => {
      await assign(ipam, { ...request, ipv4: 4 });
      await assign(ipam, podRequest('node-1', 'other'));
      await ipam.releaseByHandle('net.other');
    },
    act: ipam => ipam.releaseAffinity({ node: 'node-1', requireEmpty: false }),
  },
  {
    name: 'a tunnel address',
    act: ipam => ipam.ensureTunnelAddress({ node: 'node-1', kind: 'vxlan', nodeLabels: {} }),
  },
];

/** Runs a scenario in a new world, with one fate for the nth write and one for all operations after it. */
async function runWith(
  scenario: Scenario,
  nth: number,
  fate: Fate,
  after: Fate,
): Promise<{ world: World; reached: boolean }> {
  const world = newWorld();
  await world.pool('pool', { cidr: '10.0.0.0/24', blockSize: 30, vxlanMode: 'Always' });
  await scenario.prepare?.(world, world.open());
  let writes = 0;
  const client = new TroubledClient(world.client, ({ write }) => {
    if (writes >= nth) return after;
    if (write) writes++;
    return write && writes === nth ? fate : 'done';
  });
  const ipam = new Ipam({ client, clock: world.clock, random: seededRandom(1) });
  await scenario.act(ipam).catch(err => {
    if (after === 'done' && !(isOutcomeUnknown(err) || fate === 'refused')) throw err;
  });
  return { world, reached: writes >= nth };
}

/** Whatever happened: no address is without its handle, the same call works now, and all can be given back. */
async function expectRepairable(scenario: Scenario, world: World): Promise<void> {
  const ipam = world.open(2);
  expect((await ipam.check()).filter(({ harmless }) => !harmless)).toEqual([]);
  await giveUp(ipam, [request.handle]);
  if (!scenario.name.startsWith('release')) {
    await scenario.act(ipam);
    expect((await ipam.check()).filter(({ harmless }) => !harmless)).toEqual([]);
  }
  await giveUp(ipam, [request.handle, 'net.other', 'vxlan-tunnel-addr-node-1']);
  for (const node of ['node-1', 'node-2']) await ipam.releaseAffinity({ node, requireEmpty: true });
  expect(await everything(world)).toEqual({ blocks: [], affinities: [], handles: [] });
}

async function giveUp(ipam: Ipam, handles: readonly string[]): Promise<void> {
  for (const handle of handles) {
    await ipam.releaseByHandle(handle).catch(err => {
      if (!isIpamError(err, 'NotFound')) throw err;
    });
  }
}

const fates: { how: string; fate: Fate; after: Fate }[] = [
  { how: 'a crash before any write', fate: 'dead', after: 'dead' },
  { how: 'a crash after any write', fate: 'lost', after: 'dead' },
  { how: 'a lost answer to any write', fate: 'lost', after: 'done' },
  { how: 'a lost request of any write', fate: 'never', after: 'done' },
  { how: 'a refusal of any write', fate: 'refused', after: 'done' },
];

for (const scenario of scenarios) {
  test.each(fates)(`${scenario.name}: $how leaves nothing that cannot be repaired`, async ({ fate, after }) => {
    let reached = true;
    for (let nth = 1; reached; nth++) {
      const run = await runWith(scenario, nth, fate, after);
      await expectRepairable(scenario, run.world);
      reached = run.reached;
      expect(nth).toBeLessThan(60);
    }
  });

  test(`${scenario.name}: a lost answer is recognised, and counts nothing twice`, async () => {
    let reached = true;
    for (let nth = 1; reached; nth++) {
      const { world, reached: was } = await runWith(scenario, nth, 'lost', 'done');
      const calm = (await runWith(scenario, 1000, 'done', 'done')).world;
      const [troubled, untroubled] = await Promise.all([world.open().usage(), calm.open().usage()]);
      const sum = (usage: typeof troubled) => usage.pools.map(({ name, allocated }) => `${name} ${allocated}`);
      expect(sum(troubled)).toEqual(sum(untroubled));
      reached = was;
    }
  });
}
