import { GlobalNetworkSet, type Resource } from '@calico/api';
import { type Client, DatastoreError, type WatchEvent, type WatchStream } from '@calico/datastore';

/** A set of one network. */
export function networkSet(name: string, net = '192.0.2.0/24'): GlobalNetworkSet {
  return {
    apiVersion: GlobalNetworkSet.apiVersion,
    kind: GlobalNetworkSet.kind,
    metadata: { name },
    spec: { nets: [net] },
  };
}

/** How a call ended: 'done', or the code of its error, with '?' when its outcome is unknown. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (err) {
    return err instanceof DatastoreError ? err.code + (err.outcomeUnknown ? '?' : '') : String(err);
  }
}

/** The next events that tell of objects, as `ADDED name`. */
export async function take<R extends Resource>(stream: WatchStream<R>, count: number): Promise<string[]> {
  const events: string[] = [];
  while (events.length < count) {
    const { done, value } = await stream.next();
    if (done) throw new Error('the watch ended');
    if (value.type !== 'BOOKMARK') events.push(`${value.type} ${value.object.metadata.name}`);
  }
  return events;
}

/** Reads a watch until it fails; gives the events with objects and how it ended. */
export async function untilEnd<R extends Resource>(
  stream: WatchStream<R>,
): Promise<{ events: WatchEvent<R>[]; end: string }> {
  const events: WatchEvent<R>[] = [];
  const end = await outcome(
    (async () => {
      for await (const event of stream) if (event.type !== 'BOOKMARK') events.push(event);
    })(),
  );
  return { events, end };
}

/** The names of all sets. */
export async function setNames(client: Client): Promise<string[]> {
  return (await client.list(GlobalNetworkSet)).items.map(({ metadata }) => metadata.name);
}
