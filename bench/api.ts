// npm run bench:api: selectors, typed lists, the syncer, and the embedded API server beside a real kube-apiserver.
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingForKubernetes, startKubernetes } from '../tests/kubernetes/server.ts';
import { largestMemory, runPart, startPart } from './api/part.ts';
import { request, type Target } from './api/target.ts';
import { type Figure, noteLoad, report } from './figures.ts';

const pods = Number(process.env.CALICO_BENCH_PODS ?? 5000);
const rounds = Number(process.env.CALICO_BENCH_ROUNDS ?? 10);
const watchers = 100;

const figures: Figure[] = [];
const add = (name: string, values: readonly number[], unit: string, target = '-', calico = '-') =>
  figures.push({ name, values, target, calico, unit });
const note = (text: string) => console.error(text);

const folder = mkdtempSync(join(tmpdir(), 'calico-bench-'));
try {
  noteLoad('at the start');
  await benchSelectors();
  await benchSyncer();
  add('write and fsync of 4 kB on this disk', timeFsync(join(folder, 'fsync')), 'ms');
  await benchEmbedded();
  await benchKubernetes();
  noteLoad('at the end');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report(figures);
process.exit(0);

async function benchSelectors(): Promise<void> {
  const { evaluations, parse, parseAndName } = await runPart<Record<string, number[]>>('selector', {});
  add(
    'selector evaluations',
    (evaluations ?? []).map(each => each / 1e6),
    'M/s',
    '1 at least',
  );
  add('selector parse', parse ?? [], 'µs', '6', '6');
  add('selector parse, normal form and id', parseAndName ?? [], 'µs');
}

/** The syncer against a server that sends as fast as it can: what is measured is the reader. */
async function benchSyncer(): Promise<void> {
  const events = pods * 4;
  const replay = startPart('replay', { pods, events });
  try {
    const { server } = await replay.answer<{ server: string }>();
    const runs: { syncMs: number; eventsMs: number; memory: number }[] = [];
    for (let i = 0; i < rounds; i++) runs.push(await runPart('sync', { target: { server, token: '' }, pods, events }));
    add(
      `syncer: ${pods} pods to in sync`,
      runs.map(run => run.syncMs),
      'ms',
    );
    add(
      'syncer: watch events',
      runs.map(run => events / run.eventsMs),
      'k/s',
    );
    add(
      'syncer: peak memory',
      runs.map(run => run.memory / 1e6),
      'MB',
    );
  } finally {
    await replay.stop();
  }
}

async function benchEmbedded(): Promise<void> {
  const server = startPart('embedded', { storePath: join(folder, 'store.db') });
  try {
    await benchServer('embedded', await server.answer<Target>());
    add('embedded: peak memory of the server', [(await server.largestMemory()) / 1e6], 'MB');
  } finally {
    await server.stop();
  }
}

async function benchKubernetes(): Promise<void> {
  const missing = missingForKubernetes();
  if (missing !== undefined) {
    note(`kube-apiserver: not measured: ${missing}`);
    return;
  }
  const server = await startKubernetes();
  try {
    note('kube-apiserver: its etcd never waits for the disk, so its writes are not durable; ours are');
    await benchServer('kube-apiserver', { server: server.url, token: server.token, ca: server.ca });
    add('kube-apiserver: peak memory of the server, without its etcd', [(await largestMemory(server.pid)) / 1e6], 'MB');
  } finally {
    await server.stop();
  }
}

/** The same measurements of any API server. */
async function benchServer(name: string, target: Target): Promise<void> {
  const serial = await write(target, { prefix: 'serial', count: rounds * 20, writers: 1 });
  add(`${name}: writes, 1 writer`, [rate(serial)], '/s');
  add(`${name}: one of them`, serial.times, 'ms');
  const parallel = await write(target, { prefix: 'parallel', count: rounds * 200, writers: 32 });
  add(`${name}: writes, 32 writers`, [rate(parallel)], '/s');
  add(`${name}: one of them`, parallel.times, 'ms');

  await write(target, { kind: 'Pod', count: pods, writers: 32 });
  const bodies: number[] = [];
  let bytes = 0;
  for (let i = 0; i < rounds; i++) {
    const startedAt = performance.now();
    bytes = (await (await request(target, '/api/v1/pods')).arrayBuffer()).byteLength;
    bodies.push(performance.now() - startedAt);
  }
  add(`${name}: list of ${pods} pods (${(bytes / 1e6).toFixed(1)} MB), to the last byte`, bodies, 'ms');
  const list = await runPart<{ times: number[]; before: number; after: number }>('list', {
    target,
    count: pods,
    rounds,
  });
  add(`${name}: the same as typed view of a client`, list.times, 'ms');
  add('  peak memory of that client after its first list', [list.after / 1e6], 'MB');
  add('  of it before any list', [list.before / 1e6], 'MB');

  const synced: number[] = [];
  for (let i = 0; i < Math.min(rounds, 5); i++) {
    synced.push((await runPart<{ syncMs: number }>('sync', { target, pods: 0, events: 0 })).syncMs);
  }
  add(`${name}: syncer of a node, ${pods} pods to in sync`, synced, 'ms');

  // At a pace that leaves the server idle between writes, then as fast as 8 writers can.
  const paced = await fanOut(target, { prefix: 'paced', count: rounds * 10, writers: 1, pauseMs: 20 });
  add(`${name}: from a client's write to ${watchers} watches`, paced.latencies, 'ms');
  const burst = await fanOut(target, { prefix: 'burst', count: rounds * 50, writers: 8 });
  add(`${name}: events to ${watchers} watches`, [burst.latencies.length / burst.wallMs], 'k/s');
}

interface Writes {
  readonly times: number[];
  readonly wallMs: number;
}

interface WriteTask {
  readonly kind?: 'Pod' | 'ConfigMap';
  readonly prefix?: string;
  readonly count: number;
  readonly writers: number;
  readonly pauseMs?: number;
}

/** Writes per second. */
function rate({ times, wallMs }: Writes): number {
  return (1000 * times.length) / wallMs;
}

async function write(target: Target, writeTask: WriteTask): Promise<Writes> {
  const writer = startPart('write', { target, kind: 'ConfigMap', prefix: 'bench', pauseMs: 0, ...writeTask });
  try {
    await writer.answer();
    writer.go();
    return await writer.answer<Writes>();
  } finally {
    await writer.stop();
  }
}

/** Writes while many watches are open; the latencies are of every event in every watch. */
async function fanOut(target: Target, writeTask: WriteTask): Promise<{ latencies: number[]; wallMs: number }> {
  const readers = startPart('watch', { target, clients: watchers, events: writeTask.count });
  try {
    await readers.answer();
    await write(target, writeTask);
    return await readers.answer();
  } finally {
    await readers.stop();
  }
}

/** What a durable write costs here at the least, in ms. */
function timeFsync(path: string): number[] {
  const file = openSync(path, 'w');
  const page = new Uint8Array(4096);
  const times = Array.from({ length: 50 }, () => {
    const startedAt = performance.now();
    writeSync(file, page);
    fsyncSync(file);
    return performance.now() - startedAt;
  });
  closeSync(file);
  return times;
}
