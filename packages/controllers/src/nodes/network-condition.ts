import { Lease, Node } from '@calico/api';
import { isNotFound, keyOf } from '@calico/datastore';
import {
  calicoIsUp,
  HEARTBEAT_NAMESPACE,
  HEARTBEAT_SELECTOR,
  type Heartbeat,
  type NetworkState,
  readHeartbeat,
  SILENCE_MS,
  setNetworkState,
} from '@calico/node';
import { type ControllerContext, controllerQueue } from '../context.ts';
import type { WorkQueue } from '../work-queue.ts';
import { find } from './directory.ts';

/** How often silence is looked for; ms. */
const LOOK_MS = 5000;
/** Reasons that are written, and so taken away, here. */
const SILENT = 'CalicoAgentSilent';
const NOT_READY = 'CalicoAgentNotReady';

/** The state of a node's network by its agent's last sign of life. Pure. */
export function networkState({ cause }: Heartbeat, silentMs: number): NetworkState {
  if (silentMs > SILENCE_MS) {
    const message = `Calico's agent has given no sign of life for more than ${SILENCE_MS / 1000} s`;
    return { available: false, reason: SILENT, message };
  }
  if (cause !== undefined) return { available: false, reason: NOT_READY, message: cause };
  return calicoIsUp;
}

/** Whether the condition that a node has must be written anew: what others wrote is never taken away. Pure. */
export function mustWrite(node: Node, state: NetworkState): boolean {
  const present = node.status?.conditions?.find(({ type }) => type === 'NetworkUnavailable');
  if (!state.available) return present?.status !== 'True' || present.reason !== state.reason;
  return present?.status === 'True' && (present.reason === SILENT || present.reason === NOT_READY);
}

/**
 * Marks nodes whose agents are silent, or say that they are not ready, and takes the mark away when they are back. Only
 * nodes whose agents ever gave a sign of life here: those of other versions do not. Time counts from when a sign was
 * seen, and not while this process sees nothing itself.
 */
export function startNetworkConditions(context: ControllerContext): WorkQueue {
  const { stores, views, clock, random, log } = context;
  const client = stores.kubernetes;
  const nodes = views.of(client, Node);
  const seenAt = new Map<string, number>();
  let blindUntil = clock.now();
  const selection = { namespace: HEARTBEAT_NAMESPACE, labelSelector: HEARTBEAT_SELECTOR };
  const leases = views.keep(client, Lease, lease => lease, selection);

  const queue = controllerQueue(context, {
    name: 'network condition',
    workers: 8,
    resyncMs: () => LOOK_MS,
    keys: () => {
      if (leases.status.state !== 'watching') blindUntil = clock.now();
      return leases.items.keys();
    },
    reconcile: async key => {
      const lease = leases.items.get(key);
      const heartbeat = lease && readHeartbeat(lease);
      if (lease === undefined || heartbeat === undefined) return;
      const silent = clock.now() - Math.max(seenAt.get(key) ?? clock.now(), blindUntil);
      const state = networkState(heartbeat, silent);
      const node = nodes.items.get(heartbeat.node);
      if (node !== undefined && !mustWrite(node, state)) return;
      // Views may be behind: nothing is written on their word alone.
      const [now, kubernetesNode] = await Promise.all([
        find(() => client.get(Lease, keyOf(lease))),
        find(() => client.get(Node, { name: heartbeat.node })),
      ]);
      if (now?.metadata.resourceVersion !== lease.metadata.resourceVersion) return;
      if (kubernetesNode === undefined) {
        await client.delete(Lease, keyOf(lease)).catch(unlessGone);
        return;
      }
      if (!mustWrite(kubernetesNode, state)) return;
      await setNetworkState(client, heartbeat.node, state, { patienceMs: 0, clock, random, log });
      log.info({ node: heartbeat.node, ...state }, 'the condition NetworkUnavailable of a node has changed');
    },
  });
  leases.listen((key, lease) => {
    if (lease === undefined) seenAt.delete(key);
    else {
      seenAt.set(key, clock.now());
      queue.touch(key);
    }
  });
  return queue;
}

function unlessGone(err: unknown): void {
  if (!isNotFound(err)) throw err;
}
