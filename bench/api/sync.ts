// Part: the syncer on a server's pods. Answers with the time to be in sync and of all changes after (ms), and its memory.
import { FELIX_SOURCES, startSyncer } from '@calico/datastore';
import { kubernetesClient } from '@calico/datastore/kubernetes';
import { systemClock, systemRandom } from '@calico/process';
import { answer, largestMemory, task } from './part.ts';

const { server, pods, events } = task<{ server: string; pods: number; events: number }>();
const startedAt = performance.now();
let inSyncAt = Number.NaN;
let updates = 0;
const stop = new AbortController();
const sources = FELIX_SOURCES.filter(source => source.model === 'WorkloadEndpoint');
const { promise, resolve } = Promise.withResolvers<void>();
startSyncer(
  kubernetesClient({ server }),
  sources,
  {
    onUpdates: more => {
      updates += more.length;
      if (updates >= pods + events) resolve();
    },
    onInSync: () => {
      inSyncAt = performance.now();
    },
  },
  { clock: systemClock, random: systemRandom, signal: stop.signal },
);
await promise;
const endedAt = performance.now();
stop.abort();
await answer({ syncMs: inSyncAt - startedAt, eventsMs: endedAt - inSyncAt, memory: await largestMemory() });
process.exit(0);
