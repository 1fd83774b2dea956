// Part: the syncer on a server's pods. Answers with the time to be in sync and of all changes after (ms), and its memory.
import { FELIX_SOURCES, startSyncer } from '@calico/datastore';
import { systemClock, systemRandom } from '@calico/process';
import { answer, largestMemory, task } from './part.ts';
import { clientOf, type Target } from './target.ts';

const { target, pods, events } = task<{ target: Target; pods: number; events: number }>();
const startedAt = performance.now();
let inSyncAt = Number.NaN;
let updates = 0;
const stop = new AbortController();
const sources = FELIX_SOURCES.filter(source => source.model === 'WorkloadEndpoint');
const { promise, resolve } = Promise.withResolvers<void>();
startSyncer(
  clientOf(target),
  sources,
  {
    onUpdates: more => {
      updates += more.length;
      if (updates >= pods + events && !Number.isNaN(inSyncAt)) resolve();
    },
    onInSync: () => {
      inSyncAt = performance.now();
      if (events === 0) resolve();
    },
  },
  { clock: systemClock, random: systemRandom, signal: stop.signal },
);
await promise;
const endedAt = performance.now();
stop.abort();
await answer({ syncMs: inSyncAt - startedAt, eventsMs: endedAt - inSyncAt, memory: await largestMemory() });
process.exit(0);
