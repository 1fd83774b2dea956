import { ClusterInformation, Node } from '@calico/api';
import type { Stores } from '@calico/controllers';
import { type Client, DatastoreError, isNotFound, isTransient } from '@calico/datastore';
import { type Component, TimeoutError, withTimeout } from '@calico/process';
import type { Clock } from '@calico/reconcile';
import type { StatusFile } from './status-file.ts';

/** Between two checks, in ms, */
const READY_MS = 10_000;
/** and when something is not ready. */
const UNREADY_MS = 2000;
/** How long an answer may take at first, and at most when it takes longer again and again. */
const TIMEOUT_MS = { least: 4000, most: 16_000 };

/** Checks again and again whether both stores answer, and notes it in the status file. */
export function healthCheck(stores: Stores, status: StatusFile, clock: Clock): Component {
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  let timeoutMs = TIMEOUT_MS.least;
  const round = async () => {
    const [calico, kubernetes] = await Promise.all([
      reasonAgainst(() => datastoreReady(stores.calico)),
      reasonAgainst(() => answers(stores.kubernetes)),
    ]);
    if (stop.signal.aborted) return;
    status.set('CalicoDatastore', calico === undefined, calico);
    status.set('KubeAPIServer', kubernetes === undefined, kubernetes);
  };
  const reasonAgainst = async (check: () => Promise<void>): Promise<string | undefined> => {
    try {
      await withTimeout(check(), timeoutMs, 'get an answer', clock);
      timeoutMs = TIMEOUT_MS.least;
      return undefined;
    } catch (err) {
      if (err instanceof TimeoutError) timeoutMs = Math.min(timeoutMs * 2, TIMEOUT_MS.most);
      return err instanceof Error ? err.message : String(err);
    }
  };
  const run = async () => {
    while (!stop.signal.aborted) {
      await round();
      try {
        await clock.sleep(status.summary.ready ? READY_MS : UNREADY_MS, stop.signal);
      } catch {
        return;
      }
    }
  };
  return {
    name: 'health check',
    start() {
      running = run();
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

/** Rejects with the reason why the datastore can't be worked on. */
async function datastoreReady(client: Client): Promise<void> {
  try {
    const { spec } = await client.get(ClusterInformation, { name: 'default' });
    if (spec.datastoreReady !== true) {
      throw new Error(
        'ClusterInformation "default" says that the datastore is not ready: its spec.datastoreReady is false',
      );
    }
  } catch (err) {
    if (isNotFound(err)) throw new Error('there is no ClusterInformation "default" yet; nodes make it when they start');
    throw err;
  }
}

/** Any answer at all will do. */
async function answers(client: Client): Promise<void> {
  try {
    await client.get(Node, { name: 'no-such-node' });
  } catch (err) {
    if (!(err instanceof DatastoreError) || isTransient(err)) throw err;
  }
}
