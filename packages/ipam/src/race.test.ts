import { expect, test } from 'bun:test';
import { hostCidr, printCidr } from '@calico/ip';
import { seededRandom } from '@calico/reconcile';
import { Ipam } from './ipam.ts';
import { newWorld, podRequest } from './testing.ts';
import { TroubledClient, Turns } from './testing-trouble.ts';

test('of many nodes that want the last addresses, as many get one as there are', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = seededRandom(seed);
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/29', blockSize: 30 });
    const turns = new Turns(random);
    const clock = Object.assign(world.clock, { sleep: turns.next });
    const nodes = Array.from({ length: 12 }, (_, i) => {
      const client = new TroubledClient(world.client, () => 'done', turns.next);
      return new Ipam({ client, clock, random }).autoAssign(podRequest(`node-${i}`, `pod-${i}`));
    });
    const given = (await turns.during(Promise.all(nodes))).flatMap(({ ipv4 }) => ipv4);
    expect(given.map(({ addr }) => hostCidr(addr)).length).toBe(8);
    expect(new Set(given.map(printCidr)).size).toBe(8);
    expect(await world.open().check()).toEqual([]);
  }
});
