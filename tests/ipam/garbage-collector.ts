import type { Process } from './agent.ts';

/** How long a leak must last before it is believed, in milliseconds. */
export const GRACE_MS = 900_000;

/** What looks for leaked addresses in a run: ours, or one that works as Calico's. What it remembers dies with its process. */
export interface GarbageCollector {
  readonly process: Process;
  /** One scan of everything it knows; what fails is found again by the next. */
  scan(): Promise<void>;
}
