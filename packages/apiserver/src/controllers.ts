import { DefinitionController } from './custom-resources/definition-controller.ts';
import { GarbageCollector } from './garbage-collector.ts';
import type { ServerLog } from './handler.ts';
import type { StoreEvent } from './history.ts';
import type { KindRegistry } from './kind-registry.ts';
import { NamespaceController } from './namespace-controller.ts';
import type { Store } from './store.ts';
import type { Writer } from './writer.ts';

/** Runs the server's own controllers over its commits, one batch after the other. */
export class Controllers {
  readonly #namespaces: NamespaceController;
  readonly #garbage: GarbageCollector;
  readonly #definitions: DefinitionController;
  readonly #store: Store;
  readonly #log: ServerLog;
  #unsubscribe: (() => void) | undefined;
  #queue: StoreEvent[] = [];
  #work: Promise<void> | undefined;
  #stopped = false;

  constructor(store: Store, writer: Writer, registry: KindRegistry, log: ServerLog) {
    this.#namespaces = new NamespaceController(store, writer, registry);
    this.#garbage = new GarbageCollector(store, writer, registry);
    this.#definitions = new DefinitionController(store, writer, registry);
    this.#store = store;
    this.#log = log;
  }

  /** Looks at everything once, then follows commits. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#store.onCommit(events => {
      this.#queue.push(...events);
      this.#work ??= this.#drain();
    });
    await this.#guard(() => this.#namespaces.sync());
    await this.#guard(() => this.#garbage.sync());
    await this.#guard(() => this.#definitions.sync());
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 && !this.#stopped) {
      const events = this.#queue;
      this.#queue = [];
      await this.#guard(() => this.#namespaces.react(events));
      await this.#guard(() => this.#garbage.react(events));
      await this.#guard(() => this.#definitions.react(events));
    }
    this.#work = undefined;
  }

  /** A fault in one batch is told and does not end the controller: its steps are repeated on the next event. */
  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      if (!this.#stopped) this.#log.error({ err: cause }, 'Controller failed');
    }
  }

  /** Waits for the step that runs and takes no further one. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    await this.#work;
  }
}
