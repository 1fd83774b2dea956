/** How long addresses take without a network: `bun packages/ipam/bench.ts`. Prints ms and datastore operations. */
import { ClockFake, seededRandom } from '@calico/reconcile';
import { Ipam } from './src/ipam.ts';
import { storedSettings } from './src/settings.ts';
import { newWorld, podRequest } from './src/testing.ts';
import { TroubledClient } from './src/testing-trouble.ts';

const NODES = 100;
const PODS = 50;

const world = newWorld();
await world.pool('pool', { cidr: '10.0.0.0/16' });
const settings = await storedSettings(world.client).read();
const operations: number[] = [];
let slowest = 0;
const start = performance.now();
for (let node = 0; node < NODES; node++) {
  const client = new TroubledClient(world.client, () => 'done');
  const fixed = { read: async () => settings };
  const ipam = new Ipam({ client, clock: new ClockFake(), random: seededRandom(node), settings: fixed });
  for (let pod = 0; pod < PODS; pod++) {
    const before = client.log.length;
    const began = performance.now();
    await ipam.autoAssign(podRequest(`node-${node}`, `node-${node}-${pod}`));
    slowest = Math.max(slowest, performance.now() - began);
    operations.push(client.log.length - before);
  }
}
const took = performance.now() - start;
operations.sort((a, b) => a - b);
const at = (share: number) => operations[Math.min(operations.length - 1, Math.floor(operations.length * share))];
console.log(
  `${NODES} nodes × ${PODS} pods: ${(took / NODES / PODS).toFixed(3)} ms each, slowest ${slowest.toFixed(1)} ms`,
);
console.log(`operations: median ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`);
