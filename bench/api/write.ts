// Part: writes objects to a target and answers with the time of each and of all (ms).
import { ConfigMap, Pod } from '@calico/api';
import { benchConfigMap, benchPod } from './objects.ts';
import { answer, task, whenToldToGo } from './part.ts';
import { clientOf, type Target } from './target.ts';

const { target, kind, prefix, count, writers, pauseMs } = task<{
  target: Target;
  kind: 'Pod' | 'ConfigMap';
  prefix: string;
  count: number;
  writers: number;
  /** Between two writes of one writer. */
  pauseMs: number;
}>();
const client = clientOf(target);
// Connections are open before the clock runs.
await Promise.all(Array.from({ length: writers }, () => client.list(ConfigMap, { namespace: 'kube-system' })));
await answer('ready');
await whenToldToGo();

const times: number[] = [];
let next = 0;
async function write(): Promise<void> {
  while (next < count) {
    const index = next++;
    const startedAt = performance.now();
    if (kind === 'Pod') await client.create(Pod, benchPod(index));
    else await client.create(ConfigMap, benchConfigMap(`${prefix}-${index}`));
    times.push(performance.now() - startedAt);
    if (pauseMs > 0) await Bun.sleep(pauseMs);
  }
}
const startedAt = performance.now();
await Promise.all(Array.from({ length: writers }, write));
await answer({ times, wallMs: performance.now() - startedAt });
