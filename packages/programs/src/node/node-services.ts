import { rmSync } from 'node:fs';
import { isNotFound, isTransient } from '@calico/datastore';
import type { Ipam } from '@calico/ipam';
import { calicoIsUp, durationOf, NodeError, RepeatedWork, setNetworkState } from '@calico/node';
import { type Component, type HealthAggregator, systemClock, systemRandom } from '@calico/process';
import type { OpenNode } from './open-node.ts';
import { allocateTunnels, checkAddresses, startThisNode, warnOfManagers } from './this-node.ts';

const reporter = 'Node';
const times = { clock: systemClock, random: systemRandom };

/** What tells the services of a node apart from the programs that run one of them each. */
export interface ServiceOptions {
  readonly ipam: Ipam;
  readonly health: HealthAggregator;
  /** Calls whenever tunnels may need other addresses. */
  onChanged(call: () => void): void;
  /** Ends the process: the node can't start as it is set up. */
  fail(error: Error): void;
}

/** This node in the datastore, as a part of the agent. */
export interface NodeObjectService extends Component {
  /** Resolves once the node and what every cluster has are in the datastore. */
  readonly started: Promise<void>;
}

/**
 * This node in the datastore: put there at the start, however long that takes, its tunnels' addresses and its own kept up to
 * date. Ready once the node is there with its addresses.
 */
export function nodeObjectService(
  node: OpenNode,
  { ipam, health, onChanged, fail }: ServiceOptions,
): NodeObjectService {
  const { environment, env } = node;
  const log = node.log.child({ component: 'node' });
  const poll = durationOf(env, 'AUTODETECT_POLL_INTERVAL', 60_000);
  const start = Promise.withResolvers<void>();
  let started = false;
  const problems: { object: string | undefined; addresses: string | undefined } = {
    object: 'not in the datastore yet',
    addresses: undefined,
  };
  const report = (part: keyof typeof problems, problem: string | undefined) => {
    problems[part] = problem;
    const causes = [problems.object, problems.addresses].filter(each => each !== undefined);
    health.report(reporter, {
      live: true,
      ready: causes.length === 0,
      detail: causes.join('; ') || 'in the datastore',
    });
  };
  const object = new RepeatedWork({
    ...times,
    delays: { base: 50, max: 1_000 },
    async work(signal) {
      if (!started) await startThisNode(node, ipam, signal);
      if (!started && environment.networking) addresses.askIn(poll);
      started = true;
      start.resolve();
      await allocateTunnels(node, ipam);
    },
    onRound(failure) {
      if (failure === undefined) return report('object', undefined);
      const { error, retryMs } = failure;
      if (error instanceof NodeError && !started) return fail(error);
      report('object', messageOf(error));
      const expected = !started && (isNotFound(error) || isTransient(error));
      log[expected ? 'info' : 'warn']({ err: error, retryMs }, 'The node is not in the datastore as it should be');
    },
  });
  const addresses = new RepeatedWork({
    ...times,
    intervalMs: poll,
    work: () => checkAddresses(node),
    onRound(failure) {
      report('addresses', failure && messageOf(failure.error));
      if (failure === undefined) return;
      log.warn({ err: failure.error, retryMs: failure.retryMs }, 'The addresses of the node could not be settled');
    },
  });
  return {
    name: 'node object',
    started: start.promise,
    start() {
      health.register({ name: reporter });
      report('object', problems.object);
      warnOfManagers(log);
      onChanged(() => {
        if (started) object.ask();
      });
      object.ask();
    },
    async stop() {
      await Promise.all([object.stop(), addresses.stop()]);
    },
  };
}

/** How long a node may take to be ready until pods are let in all the same, in ms; Calico's choice. */
const readyPatience = 300_000;

/** Tells Kubernetes that the node's network is up, once `ready` says so or after five minutes, and that it is shut down no more. */
export function completeStartup(node: OpenNode, ready: () => Promise<string | undefined>): Component {
  const { kubernetes, environment } = node;
  const log = node.log.child({ component: 'complete-startup' });
  const deadline = systemClock.now() + readyPatience;
  let done = false;
  const work = new RepeatedWork({
    ...times,
    delays: { base: 50, max: 1_000 },
    async work(signal) {
      if (done) return;
      const cause = await ready();
      if (cause !== undefined && systemClock.now() < deadline) throw new Error(cause);
      if (cause !== undefined)
        log.warn({ cause }, 'The node is not ready after five minutes; pods are let in all the same');
      await markAvailable(node, signal);
      done = true;
      log.info({ node: environment.kubernetesNodeName }, 'Calico is up on this node');
    },
    onRound: failure => failure && log.debug({ err: failure.error }, 'Waiting for the node to be ready'),
  });
  return {
    name: 'complete startup',
    start() {
      if (kubernetes !== undefined && environment.networking) work.ask();
    },
    stop: () => work.stop(),
  };
}

/** Writes NetworkUnavailable=False, where Calico does the network of a Kubernetes node, and forgets the last shutdown. */
export async function markAvailable(node: OpenNode, signal?: AbortSignal): Promise<void> {
  const { kubernetes, environment, log } = node;
  if (kubernetes !== undefined && environment.networking) {
    const options = { ...times, patienceMs: 30_000, log, ...(signal === undefined ? {} : { signal }) };
    await setNetworkState(kubernetes, environment.kubernetesNodeName, calicoIsUp, options);
  }
  rmSync(environment.shutdownFile, { force: true });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
