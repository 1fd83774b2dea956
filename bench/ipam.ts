// What addresses cost where they are scarce: 1,000 nodes × 50 pods at once, datastore operations of each ADD. `npm run bench:ipam`.
import { fill, percentile, THOUSAND_NODES } from '../tests/ipam/many-nodes.ts';

const started = performance.now();
const filled = await fill(THOUSAND_NODES);
const seconds = (performance.now() - started) / 1000;
const { nodes, podsPerNode, capacity } = THOUSAND_NODES;
console.log(
  `${nodes} nodes × ${podsPerNode} pods in pools of ${capacity} addresses: ${(filled.ms / 1000).toFixed(1)} s, simulated in ${seconds.toFixed(0)} s`,
);
console.log(`without an address: ${filled.failed}; addresses given: ${filled.distinct}`);
const at = (share: number): number => percentile(filled, share);
console.log(`datastore operations of an ADD: median ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}, most ${at(1)}`);
console.log(`the most expensive: ${filled.worst.slice(0, 40).join(', ')}`);
