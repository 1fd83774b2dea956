import type { Syncer } from '@calico/datastore';
import type { HealthAggregator, Metrics } from '@calico/process';

/** The name under which readiness tells of the view. */
const REPORTER = 'Datastore';

/**
 * Makes the age of a view a metric, and whether it can be trusted a part of readiness. Gives what reports it anew: to be called when
 * the syncer's status changes, and every second or so.
 */
export function watchViewHealth(
  syncer: Pick<Syncer, 'inSync' | 'status' | 'age'>,
  health: HealthAggregator,
  metrics: Metrics,
): () => void {
  health.register({ name: REPORTER });
  const gauge = metrics.gauge(
    'felix_datastore_view_age_seconds',
    'How old the view of the datastore may be: seconds since the server last confirmed its oldest part.',
  );
  // prom-client calls this before every scrape.
  Object.assign(gauge, { collect: () => gauge.set(syncer.age() / 1000) });
  const state = metrics.gauge(
    'felix_resync_state',
    'Current datastore state: 1 waiting, 2 resync in progress, 3 in sync.',
  );
  const resyncs = metrics.counter('felix_resyncs_started', 'How often the view of the datastore was begun anew.');
  let last = 0;
  return () => {
    const now = resyncState(syncer);
    if (now === 2 && last !== 2) resyncs.inc();
    last = now;
    state.set(now);
    const lost = syncer.status().filter(kind => kind.error !== undefined);
    const age = syncer.inSync ? `${(syncer.age() / 1000).toFixed(1)} s old` : 'not complete yet';
    const causes = lost.map(kind => `${kind.kind}: ${kind.error?.message}`);
    const detail = [`view is ${age}`, ...causes].join('; ');
    health.report(REPORTER, { live: true, ready: syncer.inSync && lost.length === 0, detail });
  };
}

/** What stands for a view that has not been begun. */
export const noView: Pick<Syncer, 'inSync' | 'status' | 'age'> = {
  inSync: false,
  status: () => [],
  age: () => Number.POSITIVE_INFINITY,
};

/** By Calico's numbers: 1 while no server answers, 2 while there is no whole view or a kind of it is listed again, 3 else. */
function resyncState(syncer: Pick<Syncer, 'status' | 'inSync'>): 1 | 2 | 3 {
  const states = syncer.status().map(({ state }) => state);
  if (states.length === 0 || states.includes('waiting')) return 1;
  return syncer.inSync && !states.includes('listing') ? 3 : 2;
}
