// Part: one workload through a graph of its own. Answers with times, memory and counts.
import { readFileSync } from 'node:fs';
import { CalcGraph } from '@calico/calc';
import { answer, largestMemory, task } from '../api/part.ts';
import type { SyncResult } from './result.ts';
import { node, workloads } from './workloads.ts';

/** So many updates come together, as from the syncer. */
const slice = 1000;
/** How many label changes of each sort. */
const changes = 1000;

const { workload: name } = task<{ workload: string }>();
const workload = workloads[name];
if (workload === undefined) throw new Error(`Cannot run workload ${name}; allowed: ${Object.keys(workloads)}`);

const atStart = await largestMemory();
const graph = new CalcGraph({ nodeName: node });
let updateMs = 0;
let cpuMs = 0;
let longestUpdateMs = 0;
let objects = 0;
let batch = [];
for (const update of workload.objects()) {
  objects++;
  if (batch.push(update) < slice) continue;
  take(batch);
  batch = [];
}
take(batch);
graph.inSync();
const flushStarted = performance.now();
const flushCpu = threadMs();
let messages = 0;
let longestMs = longestUpdateMs;
let stepStarted = performance.now();
for (const message of graph.flushInSteps()) {
  if (message !== undefined) messages++;
  const now = performance.now();
  longestMs = Math.max(longestMs, now - stepStarted);
  stepStarted = now;
}
const flushMs = performance.now() - flushStarted;
cpuMs += threadMs() - flushCpu;
const peak = await largestMemory();
const relabelRemote = relabel(workload.relabelRemote);
const relabelLocal = relabel(workload.relabelLocal);
Bun.gc(true);
const result: SyncResult = {
  objects,
  messages,
  syncMs: updateMs + flushMs,
  flushMs,
  cpuMs,
  longestMs,
  atStart,
  peak,
  heap: process.memoryUsage().heapUsed,
  relabelRemote,
  relabelLocal,
};
await answer(result);
process.exit(0);

function take(updates: Parameters<CalcGraph['update']>[0][]): void {
  const started = performance.now();
  const cpu = threadMs();
  let before = started;
  for (const update of updates) {
    graph.update(update);
    const now = performance.now();
    longestUpdateMs = Math.max(longestUpdateMs, now - before);
    before = now;
  }
  updateMs += before - started;
  cpuMs += threadMs() - cpu;
}

/** How long this thread has run on a processor (proc(5), schedstat). */
function threadMs(): number {
  return Number.parseInt(readFileSync('/proc/thread-self/schedstat', 'utf8'), 10) / 1e6;
}

function relabel(change: (index: number) => Parameters<CalcGraph['update']>[0]): number[] {
  return Array.from({ length: changes }, (_, index) => {
    const update = change(index);
    const started = performance.now();
    graph.update(update);
    graph.flush();
    return performance.now() - started;
  });
}
