import type { Cidr } from '@calico/ip';

/** What a route may be asked. Conditions of a clause are ANDed. */
export type Condition =
  | { readonly kind: 'exactly'; readonly cidr: Cidr }
  | { readonly kind: 'within'; readonly cidr: Cidr }
  /** The way out; `*` in it stands for any text. */
  | { readonly kind: 'interface'; readonly pattern: string }
  /** Learned by BGP, here. */
  | { readonly kind: 'fromBgp' }
  /** A network of one of our own interfaces. */
  | { readonly kind: 'connected' }
  /** The route is for a peer of our own AS; only in functions that take `internalPeer`. */
  | { readonly kind: 'internalPeer' }
  /** The kernel's metric, where 0 means none. */
  | { readonly kind: 'noMetric' }
  | { readonly kind: 'metricBelow'; readonly metric: number }
  | { readonly kind: 'localPrefAbove'; readonly localPref: number }
  | { readonly kind: 'not'; readonly condition: Condition };

/** What happens to a route. */
export type Action =
  | { readonly kind: 'accept' }
  | { readonly kind: 'reject' }
  | { readonly kind: 'setMetric'; readonly metric: number }
  | { readonly kind: 'setPreference'; readonly preference: number }
  /** metric = 2147483647 - local_pref, so that the better route is the smaller metric. */
  | { readonly kind: 'metricFromLocalPref' }
  | { readonly kind: 'localPrefFromMetric' }
  /** Two parts: a standard community (RFC 1997); three: a large one (RFC 8092). */
  | { readonly kind: 'addCommunity'; readonly parts: readonly number[] }
  | { readonly kind: 'call'; readonly function: string; readonly internalPeer?: boolean };

/** When all conditions hold, the actions happen in order. The first accept or reject ends everything. */
export interface Clause {
  /** Why, for the reader of the configuration. */
  readonly note?: string;
  readonly when: readonly Condition[];
  readonly do: readonly Action[];
}

/** A named row of clauses that filters call. */
export interface FilterFunction {
  readonly name: string;
  readonly takesInternalPeer: boolean;
  readonly clauses: readonly Clause[];
}

export const accept: Action = { kind: 'accept' };
export const reject: Action = { kind: 'reject' };
