import type { PolicyProgram } from '@calico/policy';
import type { Counter, Gauge, Histogram, Metrics } from '@calico/process';
import { type RuleHits, ruleHits } from './rule-hits.ts';

/** Felix's metrics, by the names that Calico's dashboards use, and ours beside them. */
export interface FelixMetrics {
  readonly resyncState: Gauge;
  readonly applyTime: Histogram;
  readonly failures: Counter;
  /** Packets of Log rules that no line was written of. */
  readonly droppedPacketLines: Counter;
  readonly programsOverBudget: Gauge;
}

/** Registers Felix's metrics. */
export function felixMetrics(metrics: Metrics): FelixMetrics {
  return {
    resyncState: metrics.gauge(
      'felix_resync_state',
      'Current datastore state: 1 waiting, 2 resync in progress, 3 in sync.',
    ),
    applyTime: metrics.histogram(
      'felix_int_dataplane_apply_time_seconds',
      'Seconds from a change of the cluster to the kernel having it.',
      [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
    ),
    failures: metrics.counter(
      'felix_int_dataplane_failures',
      'Writes that the kernel refused and that are tried again.',
    ),
    droppedPacketLines: metrics.counter(
      'felix_packet_lines_dropped',
      'Packets of Log rules that no line was written of, because there were too many.',
    ),
    programsOverBudget: metrics.gauge(
      'felix_policy_programs_over_budget',
      'Sets of policies that are asked rule by rule, because looking them up would take more than its budget.',
    ),
  };
}

/** Makes the hits of every rule a metric, read from the kernel's counters when asked for. */
export function countRuleHits(metrics: Metrics, hits: RuleHits, policies: () => Iterable<PolicyProgram>): void {
  const packets = metrics.counter(
    'felix_rule_packets',
    'Packets that each rule met, by policy, direction and position; of profiles and the ends of tiers too.',
    ['rule', 'tier', 'action'],
  );
  const collect = () => {
    hits.read();
    packets.reset();
    const known = new Set<string>();
    for (const { policy, tier, direction, index, action, counter, hits: counted } of ruleHits(policies(), hits)) {
      known.add(counter);
      packets.inc({ rule: `${policy}/${direction}/${index}`, tier, action }, counted?.packets ?? 0);
    }
    for (const { counter, packets: count } of hits.present()) {
      if (!known.has(counter)) packets.inc({ rule: counter }, count);
    }
  };
  // prom-client calls this before every scrape.
  Object.assign(packets, { collect });
}
