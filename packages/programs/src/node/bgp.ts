import { BgpModel } from '@calico/bgp';
import { BirdDaemon } from '@calico/bird';
import { type Syncer, startBgpSyncer } from '@calico/datastore';
import type { Component, HealthAggregator, Logger } from '@calico/process';
import type { Clock, Random, Timer } from '@calico/reconcile';
import type { Datastore } from '../datastore/open.ts';
import type { NodeEnvironment } from './environment.ts';

/** What BGP works with. */
export interface BgpOptions {
  readonly datastore: Datastore;
  readonly environment: NodeEnvironment;
  readonly health: HealthAggregator;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const reporter = 'BGP';
/** How often BIRD's state is looked at for readiness, in milliseconds. */
const healthInterval = 2_000;

/**
 * BGP through BIRD: the cluster's view becomes a configuration, and BIRD, which outlives this process, is given it. A
 * fault here never ends Felix or the CNI server.
 */
export function bgpComponent(options: BgpOptions): Component {
  const { datastore, environment, health, clock, random } = options;
  const log = options.log.child({ component: 'bgp' });
  const stop = new AbortController();
  const routerId = environment.routerId;
  const model = new BgpModel({ nodeName: environment.nodeName, ...(routerId === undefined ? {} : { routerId }) });
  const daemon = new BirdDaemon({ folder: environment.runFolder, clock, random, log });
  let syncer: Syncer | undefined;
  let timer: Timer | undefined;
  let inSync = false;
  let applied: string | undefined;

  const report = () => {
    const state = daemon.health();
    // What was asked for and can't be done does not stop the rest, but it is not left unsaid.
    health.report(reporter, { ...state, detail: [state.detail, ...model.problems()].join('; ') });
  };
  const apply = () => {
    const config = inSync ? model.render() : undefined;
    if (config === undefined || config === applied) return;
    applied = config;
    for (const problem of model.problems()) log.warn({ problem }, 'Part of the BGP configuration is left out');
    daemon.apply(config).then(report, error => {
      applied = undefined;
      log.error({ err: error }, 'BIRD did not take its configuration');
      report();
    });
  };
  return {
    name: 'BGP',
    start() {
      health.register({ name: reporter });
      report();
      timer = clock.setInterval(report, healthInterval);
      syncer = startBgpSyncer(
        datastore.client,
        {
          onUpdates(updates) {
            for (const update of updates) model.update(update);
            apply();
          },
          onInSync() {
            inSync = true;
            apply();
          },
        },
        { clock, random, log, signal: stop.signal },
        datastore.type,
      );
      syncer.done.catch(error => {
        log.error({ err: error }, 'The view that BGP is made of is lost');
        health.report(reporter, { live: false, ready: false, detail: String(error) });
      });
    },
    async stop() {
      timer?.cancel();
      stop.abort(new Error('the agent stops'));
      await syncer?.done.catch(() => undefined);
      await daemon.stop();
    },
  };
}
