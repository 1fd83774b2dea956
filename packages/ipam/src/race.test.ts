import { expect, test } from 'bun:test';
import { isOutcomeUnknown } from '@calico/datastore';
import { hostCidr, printCidr } from '@calico/ip';
import { type Random, randomInt, seededRandom } from '@calico/reconcile';
import { isIpamError } from './error.ts';
import { Ipam } from './ipam.ts';
import { everything, newWorld, podRequest, type World } from './testing.ts';
import { type Fate, TroubledClient, Turns } from './testing-trouble.ts';

const NODES = ['node-1', 'node-2', 'node-3'];

/** How often what happens, of all writes. */
const TROUBLE: readonly { readonly share: number; readonly fate: Fate }[] = [
  { share: 0.04, fate: 'lost' },
  { share: 0.03, fate: 'late' },
  { share: 0.02, fate: 'never' },
  { share: 0.02, fate: 'refused' },
];

function fateOf(random: Random, write: boolean): Fate {
  if (!write) return random.next() < 0.01 ? 'refused' : 'done';
  let at = random.next();
  for (const { share, fate } of TROUBLE) {
    if (at < share) return fate;
    at -= share;
  }
  return 'done';
}

/** Who was told that which address is theirs; each change is checked. */
class Ledger {
  readonly #owners = new Map<string, string>();

  give(address: string, handle: string): void {
    const owner = this.#owners.get(address);
    if (owner !== undefined) throw new Error(`${address} is given to ${handle} while ${owner} has it`);
    this.#owners.set(address, handle);
  }

  /** Before a release begins: from then on others may get it. */
  take(handle: string): void {
    for (const [address, owner] of this.#owners) if (owner === handle) this.#owners.delete(address);
  }

  get entries(): [string, string][] {
    return [...this.#owners];
  }
}

async function release(ipam: Ipam, handle: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    try {
      await ipam.releaseByHandle(handle);
      return;
    } catch (err) {
      if (isIpamError(err, 'NotFound')) return;
      if (err instanceof Error && !('code' in err)) throw err;
    }
  }
  throw new Error(`${handle} cannot be released`);
}

/** The pods of a node come and go; each that fails to come is taken back, as a runtime does. */
async function live(ipam: () => Ipam, node: string, process: number, random: Random, ledger: Ledger): Promise<void> {
  const pods: string[] = [];
  for (let i = 0; i < 12; i++) {
    if (pods.length > 0 && random.next() < 0.35) {
      const [handle = ''] = pods.splice(randomInt(random, pods.length), 1);
      ledger.take(handle);
      await release(ipam(), handle);
      continue;
    }
    const request = podRequest(node, `${node}-${process}-${i}`);
    try {
      const { ipv4 } = await ipam().autoAssign(request);
      for (const cidr of ipv4) ledger.give(printCidr(cidr), request.handle);
      pods.push(request.handle);
    } catch (err) {
      if (err instanceof Error && !('code' in err)) throw err;
      await release(ipam(), request.handle);
    }
  }
}

/** Somebody gives up affinities while the nodes work, as controllers do. */
async function disturb(ipam: Ipam, random: Random): Promise<void> {
  for (let i = 0; i < 4; i++) {
    const node = NODES[randomInt(random, NODES.length)] ?? '';
    await ipam.releaseAffinity({ node, requireEmpty: random.next() < 0.5 }).catch(err => {
      if (!isIpamError(err, 'NotEmpty') && !isOutcomeUnknown(err) && err.code !== 'Unavailable') throw err;
    });
  }
}

async function simulate(seed: number): Promise<{ world: World; ledger: Ledger }> {
  const random = seededRandom(seed);
  const world = newWorld();
  await world.pool('pool', { cidr: '10.0.0.0/28', blockSize: 30 });
  const turns = new Turns(random);
  const ledger = new Ledger();
  const open = (): Ipam => {
    const client = new TroubledClient(world.client, ({ write }) => fateOf(random, write), turns.next);
    return new Ipam({ client, clock: world.clock, random });
  };
  // The last node has two agents, an old and a new one, and one of them restarts now and then.
  const workers = [...NODES, 'node-3'].map((node, process) => {
    let ipam = open();
    const current = (): Ipam => {
      if (process === 3 && random.next() < 0.2) ipam = open();
      return ipam;
    };
    return live(current, node, process, random, ledger);
  });
  await turns.during(Promise.all([...workers, disturb(open(), random)]));
  return { world, ledger };
}

const seeds = Array.from({ length: Number(process.env.IPAM_SEEDS ?? 60) }, (_, i) => i + 1);

test('nodes that race for the last blocks, through lost answers and refusals, never share or lose an address', async () => {
  for (const seed of seeds) {
    try {
      const { world, ledger } = await simulate(seed);
      const ipam = world.open();
      expect((await ipam.check()).filter(({ harmless }) => !harmless)).toEqual([]);
      for (const [address, handle] of ledger.entries) {
        expect((await ipam.addressesByHandle(handle)).map(printCidr)).toContain(address);
      }
      // Nothing is lost: all handles that there are give all back.
      for (const handle of (await everything(world)).handles) await release(ipam, handle.spec.handleID);
      for (const node of NODES) await ipam.releaseAffinity({ node, requireEmpty: true });
      expect(await everything(world)).toEqual({ blocks: [], affinities: [], handles: [] });
    } catch (err) {
      throw new Error(`seed ${seed} (IPAM_SEEDS sets how many are run)`, { cause: err });
    }
  }
});

test('of many nodes that want the last addresses, as many get one as there are', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = seededRandom(seed);
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/29', blockSize: 30 });
    const turns = new Turns(random);
    const nodes = Array.from({ length: 12 }, (_, i) => {
      const client = new TroubledClient(world.client, () => 'done', turns.next);
      return new Ipam({ client, clock: world.clock, random }).autoAssign(podRequest(`node-${i}`, `pod-${i}`));
    });
    const given = (await turns.during(Promise.all(nodes))).flatMap(({ ipv4 }) => ipv4);
    expect(given.map(({ addr }) => hostCidr(addr)).length).toBe(8);
    expect(new Set(given.map(printCidr)).size).toBe(8);
    expect(await world.open().check()).toEqual([]);
  }
});
