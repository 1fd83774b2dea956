// Part: lists the pods of a target through our client, and answers with times (ms) and its own memory (bytes).
import { Pod } from '@calico/api';
import { answer, largestMemory, task } from './part.ts';
import { clientOf, type Target } from './target.ts';

const { target, count, rounds } = task<{ target: Target; count: number; rounds: number }>();
const client = clientOf(target);
await client.list(Pod, { namespace: 'kube-system' });
const before = await largestMemory();
const times: number[] = [];
let after = before;
for (let i = 0; i < rounds; i++) {
  const startedAt = performance.now();
  const { items } = await client.list(Pod);
  times.push(performance.now() - startedAt);
  if (items.length !== count || items.some(pod => pod.kind !== 'Pod')) {
    throw new Error(`Cannot measure: the server lists ${items.length} pods; allowed: ${count}`);
  }
  if (i === 0) after = await largestMemory();
}
await answer({ times, before, after });
