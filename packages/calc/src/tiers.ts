import { BUILT_IN_TIERS, type Tier } from '@calico/api';

/** A tier as far as it orders policies; one that is only named by policies does not exist. */
interface TierInfo {
  readonly name: string;
  readonly exists: boolean;
  readonly order: number;
  readonly defaultAction: 'deny' | 'pass';
}

const BUILT_IN: ReadonlyMap<string, TierInfo> = new Map(
  Object.entries(BUILT_IN_TIERS).map(([name, spec]) => [name, tierInfo(name, spec)]),
);

function tierInfo(name: string, { order, defaultAction }: Tier['spec']): TierInfo {
  return {
    name,
    exists: true,
    order: order ?? Number.POSITIVE_INFINITY,
    defaultAction: defaultAction === 'Pass' ? 'pass' : 'deny',
  };
}

/** The tiers of the cluster: their order and what they do by default. */
export class Tiers {
  readonly #tiers = new Map<string, TierInfo>();

  /** The tier is now `resource`; undefined: it is gone. */
  set(name: string, resource: Tier | undefined): void {
    if (resource === undefined) {
      this.#tiers.delete(name);
      return;
    }
    this.#tiers.set(name, tierInfo(name, resource.spec));
  }

  /** What is known of a tier. The built-in ones are always there, also where nobody has written them down yet. */
  get(name: string): TierInfo {
    return (
      this.#tiers.get(name) ??
      BUILT_IN.get(name) ?? { name, exists: false, order: Number.POSITIVE_INFINITY, defaultAction: 'deny' }
    );
  }

  /** Sorts names of tiers: those that exist first, by order (none is last), then by name. */
  sort(names: Iterable<string>): TierInfo[] {
    return [...names].map(name => this.get(name)).sort(compareTiers);
  }

  get size(): number {
    return this.#tiers.size;
  }
}

function compareTiers(a: TierInfo, b: TierInfo): number {
  if (a.exists !== b.exists) return a.exists ? -1 : 1;
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}
