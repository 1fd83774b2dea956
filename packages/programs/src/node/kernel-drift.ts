import type { Counter, Gauge, HealthAggregator } from '@calico/process';
import type { Clock } from '@calico/reconcile';
import type { ResyncPart } from './felix-writer.ts';

/** What the drift is told to. */
export interface KernelDriftOptions {
  readonly clock: Pick<Clock, 'wallTime'>;
  readonly health: HealthAggregator;
  readonly metrics: { readonly drift: Counter<'part'>; readonly compared: Gauge<'part'> };
}

const reporter = 'KernelDrift';
const parts: readonly ResyncPart[] = ['rules', 'routes'];

/**
 * Whether the kernel still is as it was written: a metric, and a part of readiness in words. Not ready from the moment that a
 * comparison finds something other than written until it is written again.
 */
export class KernelDrift {
  readonly #options: KernelDriftOptions;
  /** Of the last comparison of each part. */
  readonly #found = new Map<ResyncPart, { readonly at: string; readonly drift: number; mended: boolean }>();

  constructor(options: KernelDriftOptions) {
    this.#options = options;
    options.health.register({ name: reporter });
    for (const part of parts) options.metrics.drift.inc({ part }, 0);
    this.#report();
  }

  /** A comparison has ended: so many objects in the kernel were other than written. */
  compared(part: ResyncPart, drift: number): void {
    const { clock, metrics } = this.#options;
    const wallTime = clock.wallTime();
    metrics.drift.inc({ part }, drift);
    metrics.compared.set({ part }, wallTime / 1000);
    this.#found.set(part, { at: `${new Date(wallTime).toISOString().slice(0, 19)}Z`, drift, mended: drift === 0 });
    this.#report();
  }

  /** Everything is written as it should be. */
  written(): void {
    const mended = [...this.#found.values()].filter(each => !each.mended);
    for (const each of mended) each.mended = true;
    if (mended.length > 0) this.#report();
  }

  #report(): void {
    const detail = parts.map(part => {
      const found = this.#found.get(part);
      if (found === undefined) return `${part} not compared with the kernel yet`;
      const { at, drift, mended } = found;
      if (drift === 0) return `${part} as written at ${at}`;
      return `${drift} objects of ${part} were not as written at ${at}, ${mended ? 'mended since' : 'being mended'}`;
    });
    const ready = [...this.#found.values()].every(each => each.mended);
    this.#options.health.report(reporter, { live: true, ready, detail: detail.join('; ') });
  }
}
