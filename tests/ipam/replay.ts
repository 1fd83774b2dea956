// Replays one run of the simulation and prints what happened: `bun tests/ipam/replay.ts <seed>`.
import { simulate } from './simulate.ts';

const { world, failure } = await simulate(Number(process.argv[2] ?? 1), true);
for (const line of world.trace) console.log(line);
console.log(failure === undefined ? 'all is well' : failure);
process.exit(failure === undefined ? 0 : 1);
