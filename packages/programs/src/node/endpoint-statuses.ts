import type { EndpointId, LocalEndpoint, Message } from '@calico/calc';
import { EndpointIndex } from '@calico/dataplane';
import type { Kernel } from '@calico/kernel';

/** How a pod of this node stands: up while its rules are in force and its interface carries packets. */
export interface EndpointStatus {
  readonly endpoint: LocalEndpoint;
  readonly up: boolean;
}

/** Whom statuses are told. */
export interface StatusListener {
  /** The status of an endpoint is this now; undefined: it is gone. */
  changed(id: EndpointId, status: EndpointStatus | undefined): void;
  /** Every endpoint that there was at the start has been told. Once. */
  inSync(): void;
}

/** The statuses of this node's endpoints, told once what they depend on is in the kernel. */
export class EndpointStatuses {
  readonly #kernel: Pick<Kernel, 'link'>;
  readonly #listeners: readonly StatusListener[];
  readonly #endpoints = new EndpointIndex();
  readonly #told = new Map<EndpointId, EndpointStatus>();
  /** May have another status, and are not in a write yet. */
  #dirty = new Set<EndpointId>();
  /** The same, in the write under way. */
  readonly #writing = new Set<EndpointId>();
  #inSync = false;

  constructor(kernel: Pick<Kernel, 'link'>, listeners: readonly StatusListener[]) {
    this.#kernel = kernel;
    this.#listeners = listeners;
  }

  /** Takes messages in that the next write is about. */
  handle(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.kind === 'endpointUpdate') this.#set(message.id, message.endpoint);
      else if (message.kind === 'endpointRemove') this.#set(message.id, undefined);
    }
  }

  /** An interface came, went or changed. */
  linkChanged(name: string): void {
    for (const id of this.#endpoints.ofInterface(name)) this.#dirty.add(id);
  }

  /** A write begins: of everything handled so far. */
  writing(): void {
    for (const id of this.#dirty) this.#writing.add(id);
    this.#dirty = new Set();
  }

  /** The write is in the kernel. */
  written(): void {
    for (const id of this.#writing) this.#tell(id);
    this.#writing.clear();
    if (this.#inSync) return;
    this.#inSync = true;
    for (const listener of this.#listeners) listener.inSync();
  }

  #set(id: EndpointId, endpoint: LocalEndpoint | undefined): void {
    this.#endpoints.set(id, endpoint);
    this.#dirty.add(id);
  }

  #tell(id: EndpointId): void {
    const endpoint = this.#endpoints.get(id);
    const before = this.#told.get(id);
    if (endpoint === undefined) {
      if (!this.#told.delete(id)) return;
      for (const listener of this.#listeners) listener.changed(id, undefined);
      return;
    }
    const link = this.#kernel.link(endpoint.name);
    const status = { endpoint, up: endpoint.active && link?.up === true && link.running };
    if (before?.endpoint === endpoint && before.up === status.up) return;
    this.#told.set(id, status);
    for (const listener of this.#listeners) listener.changed(id, status);
  }
}
