import type { Kind, Resource } from '@calico/api';
import { randomInt } from '@calico/reconcile';
import type { World } from './world.ts';

/** Who is told of objects, one by one. */
export interface Watcher<R> {
  set(object: R): void;
  gone(name: string): void;
}

/** A watch of a kind: what was written is seen in order, but late; never, while it is not asked to catch up. */
export class Watch<R extends Resource> {
  /** What has been seen, by name. */
  readonly items = new Map<string, R>();
  readonly #world: World;
  readonly #watcher: Watcher<R>;
  #pending: { readonly name: string; readonly object: R | undefined }[];

  constructor(world: World, kind: Kind<R>, watcher: Watcher<R>) {
    this.#world = world;
    this.#watcher = watcher;
    this.#pending = world.store.all(kind).map(object => ({ name: object.metadata.name, object }));
    world.onWrite((before, after) => {
      const { kind: written, metadata } = after ?? before ?? {};
      if (written === kind.kind && metadata !== undefined) {
        this.#pending.push({ name: metadata.name, object: after as R | undefined });
      }
    });
  }

  /** Sees what is there to be seen; when it lags, some of it, or nothing. */
  catchUp(lags: boolean): void {
    const count = lags ? randomInt(this.#world.random, this.#pending.length + 1) : this.#pending.length;
    for (const { name, object } of this.#pending.splice(0, count)) {
      if (object === undefined) {
        this.items.delete(name);
        this.#watcher.gone(name);
      } else {
        this.items.set(name, object);
        this.#watcher.set(object);
      }
    }
  }
}
