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

/** The kinds this server serves, by the ways requests name them. */
export class KindRegistry {
  readonly kinds: readonly Kind[];
  readonly groups: readonly ApiGroup[];
  readonly #byPath = new Map<string, Kind>();
  readonly #byResource = new Map<string, Kind>();
  readonly #byType = new Map<string, Kind>();

  constructor(kinds: readonly Kind[]) {
    this.kinds = kinds;
    const groups = new Map<string, Set<string>>();
    for (const kind of kinds) {
      this.#byPath.set(`${kind.group}/${kind.version}/${kind.plural}`, kind);
      this.#byResource.set(resourceName(kind), kind);
      this.#byType.set(`${kind.apiVersion}/${kind.kind}`, kind);
      groups.set(kind.group, (groups.get(kind.group) ?? new Set()).add(kind.version));
    }
    this.groups = [...groups].map(([name, versions]) => ({ name, versions: [...versions] }));
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
