import { Node } from '@calico/api';
import type { Client } from '@calico/datastore';
import { backoff, type Clock, type Random } from '@calico/reconcile';
import type { NodeLog } from './log.ts';

/** Whether Kubernetes may place pods on a node, as far as the network goes. */
export interface NetworkState {
  readonly available: boolean;
  /** In one word, for programs. */
  readonly reason: string;
  readonly message: string;
}

/** What Calico writes when a node's network is up. */
export const calicoIsUp: NetworkState = {
  available: true,
  reason: 'CalicoIsUp',
  message: 'Calico is running on this node',
};

/** What Calico writes when a node's network is about to go. */
export const calicoIsDown: NetworkState = {
  available: false,
  reason: 'CalicoIsDown',
  message: 'Calico is shutting down on this node',
};

const DELAYS = { base: 200, max: 5_000 };

/**
 * Writes the condition NetworkUnavailable of a Kubernetes node; tries again for `patienceMs`, then rejects with the last
 * failure. Never while the signal is aborted.
 */
export async function setNetworkState(
  kubernetes: Client,
  name: string,
  state: NetworkState,
  options: {
    readonly patienceMs: number;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: NodeLog;
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  const { patienceMs, clock, random, log, signal } = options;
  const deadline = clock.now() + patienceMs;
  const delays = backoff(DELAYS, random);
  for (;;) {
    signal?.throwIfAborted();
    const now = `${new Date(clock.wallTime()).toISOString().slice(0, 19)}Z`;
    const condition = {
      type: 'NetworkUnavailable',
      status: state.available ? 'False' : 'True',
      reason: state.reason,
      message: state.message,
      lastTransitionTime: now,
      lastHeartbeatTime: now,
    };
    const patch = { status: { conditions: [condition] } };
    try {
      await kubernetes.patch(Node, { name }, patch, { type: 'strategic', subresource: 'status' });
      return;
    } catch (err) {
      const delay = delays.next();
      if (clock.now() + delay > deadline) throw err;
      log.warn(
        { err, node: name, retryMs: Math.round(delay) },
        'The condition NetworkUnavailable could not be written',
      );
      await clock.sleep(delay, signal);
    }
  }
}
