import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client';
import { addProcessMetrics } from './process-metrics.ts';

export type { Counter, Gauge, Histogram, Registry, Summary };

/** The quantiles of every summary, over the last ten minutes; those of Calico's. */
const quantiles = [0.5, 0.9, 0.99];
const summaryAge = { maxAgeSeconds: 600, ageBuckets: 5 };

/**
 * The metrics of a process. Asking for a name again gives the metric that is there, so that a part which restarts goes
 * on counting where it was.
 */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** @param buckets upper bounds, ascending. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Histogram<L>;
  /** Quantiles 0.5, 0.9 and 0.99 of the last ten minutes. */
  summary(name: string, help: string): Summary;
}

/** Opens a registry with the `process_…` metrics that every Prometheus client has. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  addProcessMetrics(registry);
  const known = new Map<string, unknown>();
  const once = <M extends Counter<string> | Gauge<string> | Histogram<string> | Summary<string>>(
    name: string,
    kind: abstract new (...args: never[]) => M,
    make: () => M,
  ): M => {
    const existing = known.get(name);
    if (existing instanceof kind) return existing;
    const made = make();
    known.set(name, made);
    return made;
  };
  const registers = [registry];
  return {
    registry,
    counter<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Counter<L> {
      return once(name, Counter<L>, () => new Counter({ name, help, labelNames: [...labels], registers }));
    },
    gauge<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Gauge<L> {
      return once(name, Gauge<L>, () => new Gauge({ name, help, labelNames: [...labels], registers }));
    },
    histogram<L extends string = never>(
      name: string,
      help: string,
      buckets: readonly number[],
      labels: readonly L[] = [],
    ): Histogram<L> {
      return once(
        name,
        Histogram<L>,
        () => new Histogram({ name, help, buckets: [...buckets], labelNames: [...labels], registers }),
      );
    },
    summary(name, help) {
      return once(name, Summary, () => new Summary({ name, help, percentiles: quantiles, ...summaryAge, registers }));
    },
  };
}
