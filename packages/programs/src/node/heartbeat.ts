import { isForbidden } from '@calico/datastore';
import { HEARTBEAT_MS, sendHeartbeat } from '@calico/node';
import { type Component, type HealthAggregator, systemClock } from '@calico/process';
import type { Clock } from '@calico/reconcile';
import type { OpenNode } from './open-node.ts';

/** How often readiness is looked at before the first sign of life; ms. */
const LOOK_MS = 200;

/**
 * Gives signs of life to kube-controllers, with the cause while this node is not ready. The first comes once it is ready, or
 * after the time of one: a restart is no outage. Where it may not, it says so once.
 */
export function heartbeat(
  node: Pick<OpenNode, 'kubernetes' | 'environment' | 'log'>,
  health: Pick<HealthAggregator, 'readiness'>,
  clock: Clock = systemClock,
): Component {
  const { kubernetes, environment } = node;
  const log = node.log.child({ component: 'heartbeat' });
  const stop = new AbortController();
  const pause = (ms: number) => clock.sleep(ms, stop.signal).catch(() => undefined);
  let running: Promise<void> | undefined;
  const run = async () => {
    const began = clock.now();
    while (!stop.signal.aborted && !health.readiness().ok && clock.now() - began < HEARTBEAT_MS) await pause(LOOK_MS);
    while (kubernetes !== undefined && !stop.signal.aborted) {
      const beat = { node: environment.kubernetesNodeName, cause: health.readiness().causes[0] };
      try {
        await sendHeartbeat(kubernetes, beat, clock);
      } catch (err) {
        if (isForbidden(err)) {
          log.warn({ err }, 'No signs of life are given: Leases in kube-system are forbidden');
          return;
        }
        log.debug({ err }, 'A sign of life could not be given');
      }
      await pause(HEARTBEAT_MS);
    }
  };
  return {
    name: 'heartbeat',
    start() {
      if (environment.networking && kubernetes !== undefined) running = run();
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}
