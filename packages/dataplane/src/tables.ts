import type { Family } from '@calico/ip';
import type { Direction } from '@calico/policy';

/** One direction of one family of a program of policies, as it is compiled. */
export interface ProgramState {
  readonly name: string;
  readonly direction: Direction;
  readonly family: Family;
  readonly rules: number;
  /** `lookup`, or the rules one after the other: as they are few, or as lookups would take more than their budget. */
  readonly form: 'lookup' | 'in order' | 'in order, over budget';
  /** The chain that decides; undefined before the first compilation. */
  readonly chain: string | undefined;
  readonly endpoints: number;
}

/** A route of ours, wanted or there. */
export interface RouteState {
  readonly destination: string;
  readonly type: string;
  readonly gateway: string | undefined;
  /** Index of its interface. */
  readonly link: number | undefined;
  /** `present` is wanted and in the kernel, as last read or written. */
  readonly state: 'present' | 'missing' | 'to be removed';
}

/** What the dataplane has made of the messages: for tables and metrics. Made as far as it is read. */
export interface DataplaneTables {
  programs(): Iterable<ProgramState>;
  chains(): Iterable<{ readonly name: string; readonly hooked: boolean; readonly rules: number }>;
  /** Sets and maps of the kernel. */
  sets(): Iterable<{ readonly name: string; readonly map: boolean; readonly elements: number }>;
  routes(): Iterable<RouteState>;
}
