import type { Kind, Resource } from '@calico/api';
import { type Client, keyOf, printKey, type Reflector, type ReflectorStatus, startReflector } from '@calico/datastore';
import { systemClock, systemRandom } from '@calico/process';

/** What a reflector's user would see. */
export interface View<R> extends Reflector {
  readonly objects: ReadonlyMap<string, R>;
  /** Every state that it was in, the present one last. */
  readonly states: readonly ReflectorStatus['state'][];
  stop(): Promise<void>;
}

/** Starts to watch all objects of a kind. */
export function startView<R extends Resource>(client: Client, kind: Kind<R>): View<R> {
  const objects = new Map<string, R>();
  const states: ReflectorStatus['state'][] = [];
  const controller = new AbortController();
  const reflector = startReflector(
    client,
    kind,
    {
      onSync: items => {
        for (const item of items) objects.set(printKey(keyOf(item)), item);
      },
      onEvent: event => {
        if (event.type === 'set') objects.set(printKey(event.key), event.object);
        else objects.delete(printKey(event.key));
      },
      onStatus: ({ state }) => states.push(state),
    },
    { clock: systemClock, random: systemRandom, signal: controller.signal },
  );
  return {
    objects,
    states,
    get status() {
      return reflector.status;
    },
    get inSync() {
      return reflector.inSync;
    },
    age: () => reflector.age(),
    done: reflector.done,
    stop: async () => {
      controller.abort();
      await reflector.done;
    },
  };
}

/** The objects of a view as the server has them: name and version of each. */
export function printVersions<R extends Resource>(objects: Iterable<R>): string[] {
  return [...objects].map(({ metadata }) => `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`).sort();
}
