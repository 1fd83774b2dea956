import { type Kind, NetworkPolicy, Pod, type Resource } from '@calico/api';
import type { Client } from '@calico/datastore';
import type { Fate } from '@calico/lab';
import type { Figure } from '../figures.ts';

/** Two pods of one node between which packets are watched. */
export interface FatePair {
  /** The user's: what a change costs the server counts. */
  readonly client: Client;
  readonly namespace: string;
  /** The pod that sends; it gets the label `access`. */
  readonly from: string;
  /** The label `role` of the pod that is sent to, on UDP. */
  readonly role: string;
  /** Milliseconds from the start of `change` until packets meet the fate; made once they have been seen to meet the opposite. */
  timeUntil(fate: Fate, change: () => Promise<unknown>): Promise<number>;
}

/** Milliseconds of each change. */
export interface FateTimes {
  readonly allowed: number[];
  readonly blocked: number[];
  readonly created: number[];
  readonly deleted: number[];
}

/** Creates and removes the policy that lets a pod in by its label `access`. */
function accessPolicy({ client, namespace, role }: FatePair) {
  const name = 'access';
  const udp = { protocol: 'UDP' };
  const policy = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'NetworkPolicy',
    metadata: { name, namespace },
    spec: {
      order: 1,
      selector: `role == '${role}'`,
      types: ['Ingress'],
      ingress: [
        { action: 'Allow', ...udp, source: { selector: "access == 'yes'" } },
        { action: 'Deny', ...udp },
      ],
    },
  } as unknown as NetworkPolicy;
  return {
    create: () => client.create(NetworkPolicy, policy),
    remove: () => client.delete(NetworkPolicy, { namespace, name }),
  };
}

/** From an API write to what packets between two pods meet. They have to arrive at the start, and do at the end. */
export async function timeFates(pair: FatePair, rounds: number): Promise<FateTimes> {
  const { client, namespace, from, timeUntil } = pair;
  const { create, remove } = accessPolicy(pair);
  const label = (access: string) => {
    const patch = { metadata: { labels: { access } } };
    return client.patch(Pod, { namespace, name: from }, patch, { type: 'merge' });
  };
  const times: FateTimes = { allowed: [], blocked: [], created: [], deleted: [] };
  await label('no');
  for (let i = 0; i < rounds; i++) {
    times.created.push(await timeUntil('closed', create));
    times.deleted.push(await timeUntil('open', remove));
  }
  await timeUntil('closed', create);
  for (let i = 0; i < rounds; i++) {
    times.allowed.push(await timeUntil('open', () => label('yes')));
    times.blocked.push(await timeUntil('closed', () => label('no')));
  }
  await timeUntil('open', remove);
  return times;
}

/** Milliseconds from a change's request until another watcher has its event: what no agent can be quicker than. */
export interface EventTimes {
  readonly relabelled: number[];
  readonly created: number[];
}

/** From an API write to its event. */
export async function timeEvents(pair: FatePair, rounds: number): Promise<EventTimes> {
  const { client, namespace, from } = pair;
  const { create, remove } = accessPolicy(pair);
  const relabelled = await timeFirstEvents(client, Pod, namespace, rounds, async i => {
    await client.patch(
      Pod,
      { namespace, name: from },
      { metadata: { labels: { round: String(i) } } },
      { type: 'merge' },
    );
  });
  const created = await timeFirstEvents(client, NetworkPolicy, namespace, 2 * rounds, i =>
    i % 2 === 0 ? create() : remove(),
  );
  return { relabelled, created: created.filter((_, i) => i % 2 === 0) };
}

async function timeFirstEvents<R extends Resource>(
  client: Client,
  kind: Kind<R>,
  namespace: string,
  rounds: number,
  change: (round: number) => Promise<unknown>,
): Promise<number[]> {
  const stop = new AbortController();
  const { resourceVersion } = await client.list(kind, { namespace });
  const events = client.watch(kind, { namespace, resourceVersion, signal: stop.signal });
  // The bookmark of where the watch begins.
  await events.next();
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const startedAt = performance.now();
    const seen = events.next().then(() => performance.now() - startedAt);
    await change(i);
    times.push(await seen);
  }
  stop.abort();
  return times;
}

/** What Calico was measured at, and what is to be reached, in the order of `fateFigures`. */
const targets = {
  small: { atMost: [3, 3, 5, 5], calico: [7.4, 7.2, 25, 21] },
  large: { atMost: [4, 4, 6, 6], calico: [19, 20, 33, 23] },
};

/** The times as figures, for a cluster of that size. */
export function fateFigures(times: FateTimes, size: keyof typeof targets): Figure[] {
  const { atMost, calico } = targets[size];
  const rows = [
    ['pod relabelled → allowed', times.allowed],
    ['pod relabelled → blocked', times.blocked],
    ['policy created → blocked', times.created],
    ['policy deleted → open', times.deleted],
  ] as const;
  return rows.map(([what, values], i) => {
    const name = `${what}, ${size} cluster`;
    return { name, values, unit: 'ms', target: String(atMost[i]), calico: String(calico[i]) };
  });
}
