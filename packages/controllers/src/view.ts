import type { Kind, Resource } from '@calico/api';
import {
  type Client,
  printKey,
  type ReflectorDeps,
  type ReflectorStatus,
  type Selection,
  startReflector,
} from '@calico/datastore';

/** What changed in a view; `value` is undefined when the object is gone, `before` when it is new. */
export type Listener<V> = (key: string, value: V | undefined, before: V | undefined) => void;

/** All objects of a kind, or what is kept of them, by `namespace/name`. */
export interface View<V> {
  readonly items: ReadonlyMap<string, V>;
  readonly inSync: boolean;
  readonly status: ReflectorStatus;
  /** Tells of what is there and, from now on, of every change. */
  listen(listener: Listener<V>): void;
  /** Resolves when it has ended; rejects with what a listener threw. */
  readonly done: Promise<void>;
}

/** Views that several controllers share, and whether all of them are in sync. */
export class Views {
  readonly #deps: ReflectorDeps;
  readonly #views: View<unknown>[] = [];
  readonly #shared = new Map<Client, Map<string, View<unknown>>>();
  readonly #waiting: (() => void)[] = [];

  constructor(deps: ReflectorDeps) {
    this.#deps = deps;
  }

  /** Every view has been listed. */
  get inSync(): boolean {
    return this.#views.every(({ inSync }) => inSync);
  }

  /** What the views fail with at the moment, in words. */
  get troubles(): string[] {
    return this.#views.flatMap(({ status }) => (status.error === undefined ? [] : [status.error.message]));
  }

  /** Resolves when all have ended; rejects with what a listener threw. */
  get done(): Promise<void> {
    return Promise.all(this.#views.map(({ done }) => done)).then(() => undefined);
  }

  /** Calls whenever a view gets in sync. */
  onSync(call: () => void): void {
    this.#waiting.push(call);
  }

  /** The view of all objects of a kind; one for all who ask. */
  of<R extends Resource>(client: Client, kind: Kind<R>): View<R> {
    const ofClient = this.#shared.get(client) ?? new Map<string, View<unknown>>();
    this.#shared.set(client, ofClient);
    const name = `${kind.kind}.${kind.group}`;
    const view = (ofClient.get(name) as View<R> | undefined) ?? this.keep(client, kind, object => object);
    ofClient.set(name, view);
    return view;
  }

  /** A view that keeps only what `keep` gives of each object of a selection; of all unless given. */
  keep<R extends Resource, V>(
    client: Client,
    kind: Kind<R>,
    keep: (object: R) => V,
    selection: Selection = {},
  ): View<V> {
    const items = new Map<string, V>();
    const listeners: Listener<V>[] = [];
    const change = (key: string, value: V | undefined) => {
      const before = items.get(key);
      if (value === undefined) items.delete(key);
      else items.set(key, value);
      for (const listener of listeners) listener(key, value, before);
    };
    let inSync = false;
    const reflector = startReflector(
      client,
      kind,
      {
        onSync: objects => {
          for (const object of objects) change(printKey(object.metadata), keep(object));
          inSync = true;
          for (const call of this.#waiting) call();
        },
        onEvent: event => change(printKey(event.key), event.type === 'set' ? keep(event.object) : undefined),
      },
      this.#deps,
      { selection },
    );
    const view: View<V> = {
      items,
      get inSync() {
        return inSync;
      },
      get status() {
        return reflector.status;
      },
      listen: listener => {
        listeners.push(listener);
        for (const [key, value] of items) listener(key, value, undefined);
      },
      done: reflector.done,
    };
    this.#views.push(view as View<unknown>);
    return view;
  }
}
