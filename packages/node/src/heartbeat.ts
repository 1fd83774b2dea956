import { Lease } from '@calico/api';
import { type Client, isAlreadyExists, isNotFound } from '@calico/datastore';
import type { Clock } from '@calico/reconcile';

/** How often an agent gives a sign of life, in ms, */
export const HEARTBEAT_MS = 10_000;
/** and after how long without one it counts as gone. */
export const SILENCE_MS = 40_000;
/** The namespace of the Leases that agents renew, */
export const HEARTBEAT_NAMESPACE = 'kube-system';
/** and the label that they have, as a selector. */
export const HEARTBEAT_SELECTOR = 'projectcalico.org/heartbeat=node';

const LABELS = { 'projectcalico.org/heartbeat': 'node' } as const;
/** Why the agent is not ready; absent while it is. */
const CAUSE = 'projectcalico.org/not-ready';

/** What a sign of life says. */
export interface Heartbeat {
  /** Kubernetes' name of the node. */
  readonly node: string;
  /** Why its agent is not ready; undefined: it is. */
  readonly cause: string | undefined;
}

/** Gives a sign of life: renews the agent's Lease, or makes it. Rejects when that can't be done. */
export async function sendHeartbeat(
  kubernetes: Client,
  { node, cause }: Heartbeat,
  clock: Pick<Clock, 'wallTime'>,
): Promise<void> {
  const key = { namespace: HEARTBEAT_NAMESPACE, name: `calico-node.${node}` };
  const renewTime = new Date(clock.wallTime()).toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: node, leaseDurationSeconds: SILENCE_MS / 1000, renewTime };
  const change = { metadata: { labels: LABELS, annotations: { [CAUSE]: cause ?? null } }, spec };
  try {
    await kubernetes.patch(Lease, key, change, { type: 'merge' });
  } catch (err) {
    if (!isNotFound(err)) throw err;
    const annotations = cause === undefined ? {} : { [CAUSE]: cause };
    const metadata = { ...key, labels: { ...LABELS }, annotations };
    try {
      await kubernetes.create(Lease, { apiVersion: Lease.apiVersion, kind: 'Lease', metadata, spec });
    } catch (late) {
      if (!isAlreadyExists(late)) throw late;
    }
  }
}

/** What an agent's Lease says; undefined when it is of nobody. */
export function readHeartbeat({ metadata, spec }: Lease): Heartbeat | undefined {
  const node = spec?.holderIdentity;
  return node ? { node, cause: metadata.annotations?.[CAUSE] || undefined } : undefined;
}
