/** What one workload took. Memory in bytes, times in ms. */
export interface SyncResult {
  readonly objects: number;
  readonly messages: number;
  /** From nothing to all messages, the making of the objects left out. */
  readonly syncMs: number;
  /** Of it, what this thread spent on a processor: what the machine does besides is not in it. */
  readonly cpuMs: number;
  /** The longest piece of it that cannot be cut: one update or one step of the flush; collections of garbage count. */
  readonly longestMs: number;
  /** Of it, what passed after the last object. */
  readonly flushMs: number;
  /** Largest resident memory before the first object. */
  readonly atStart: number;
  /** Largest resident memory up to the last message. */
  readonly peak: number;
  /** What the heap holds after all of it and a collection. */
  readonly heap: number;
  readonly relabelRemote: readonly number[];
  readonly relabelLocal: readonly number[];
}
