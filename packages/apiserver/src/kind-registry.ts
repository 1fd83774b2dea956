import type { Kind } from '@calico/api';

/** A served group with its versions; the first version is the preferred one. */
export interface ApiGroup {
  readonly name: string;
  readonly versions: readonly string[];
}

/** The store's name of a kind's resource: `/pods`, `apps/deployments`. */
export function resourceName(kind: { readonly group: string; readonly plural: string }): string {
  return `${kind.group}/${kind.plural}`;
}

/** The kinds this server serves, by the ways requests name them: its own, and those that definitions made. */
export class KindRegistry {
  readonly #own: readonly Kind[];
  #kinds: readonly Kind[] = [];
  #groups: readonly ApiGroup[] = [];
  #generation = 0;
  #byPath = new Map<string, Kind>();
  #byResource = new Map<string, Kind>();
  #byType = new Map<string, Kind>();

  constructor(kinds: readonly Kind[]) {
    this.#own = kinds;
    this.setCustom([]);
  }

  get kinds(): readonly Kind[] {
    return this.#kinds;
  }

  get groups(): readonly ApiGroup[] {
    return this.#groups;
  }

  /** Grows whenever the kinds change. */
  get generation(): number {
    return this.#generation;
  }

  /** Replaces the kinds that come from definitions. Of two kinds with one path the server's own one counts. */
  setCustom(custom: readonly Kind[]): void {
    const kinds: Kind[] = [];
    const groups = new Map<string, Set<string>>();
    this.#byPath = new Map();
    this.#byResource = new Map();
    this.#byType = new Map();
    for (const kind of [...this.#own, ...custom]) {
      const path = `${kind.group}/${kind.version}/${kind.plural}`;
      if (this.#byPath.has(path)) continue;
      kinds.push(kind);
      this.#byPath.set(path, kind);
      this.#byType.set(`${kind.apiVersion}/${kind.kind}`, kind);
      const resource = resourceName(kind);
      if (!this.#byResource.has(resource)) this.#byResource.set(resource, kind);
      groups.set(kind.group, (groups.get(kind.group) ?? new Set()).add(kind.version));
    }
    this.#kinds = kinds;
    this.#groups = [...groups].map(([name, versions]) => ({ name, versions: [...versions] }));
    this.#generation++;
  }

  /** The kind at `/apis/<group>/<version>/…/<plural>`. */
  byPath(group: string, version: string, plural: string): Kind | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  /** The kind stored under a resource name. */
  byResource(resource: string): Kind | undefined {
    return this.#byResource.get(resource);
  }

  /** The kind with an object's apiVersion and kind. */
  byType(apiVersion: string, kind: string): Kind | undefined {
    return this.#byType.get(`${apiVersion}/${kind}`);
  }

  /** The kinds of a group and version, in order of declaration. */
  inVersion(group: string, version: string): readonly Kind[] {
    return this.kinds.filter(kind => kind.group === group && kind.version === version);
  }
}
