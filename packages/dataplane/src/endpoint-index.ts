import type { EndpointId, LocalEndpoint } from '@calico/calc';
import { MultiMap } from '@calico/reconcile';

/** Endpoints of this node, found by their interfaces too. */
export class EndpointIndex {
  readonly #endpoints = new Map<EndpointId, LocalEndpoint>();
  readonly #byInterface = new MultiMap<string, EndpointId>();

  /** The endpoint is this now; undefined: it is gone. */
  set(id: EndpointId, endpoint: LocalEndpoint | undefined): void {
    const before = this.#endpoints.get(id);
    if (before !== undefined) this.#byInterface.delete(before.name, id);
    if (endpoint === undefined) this.#endpoints.delete(id);
    else {
      this.#endpoints.set(id, endpoint);
      this.#byInterface.add(endpoint.name, id);
    }
  }

  get(id: EndpointId): LocalEndpoint | undefined {
    return this.#endpoints.get(id);
  }

  has(id: EndpointId): boolean {
    return this.#endpoints.has(id);
  }

  ids(): Iterable<EndpointId> {
    return this.#endpoints.keys();
  }

  /** The endpoints that say that the interface of this name is theirs. */
  ofInterface(name: string): ReadonlySet<EndpointId> {
    return this.#byInterface.get(name);
  }
}
