import type { CalcOutput, CalcSizes } from '@calico/calc';
import type { DataplaneTables } from '@calico/dataplane';
import type { Nftables } from '@calico/kernel';
import type { Metrics } from '@calico/process';
import { type Clock, finishedInTurns } from '@calico/reconcile';
import { type RuleHits, ruleHits } from './rule-hits.ts';

/** What Felix's gauges are read from. */
export interface FelixGaugesOptions {
  readonly nodeName: string;
  readonly felix: {
    readonly output: CalcOutput;
    readonly sizes: CalcSizes;
    readonly tables: DataplaneTables | undefined;
  };
  readonly hits: RuleHits;
  readonly clock: Clock;
}

/** Calico's label for what is of one family; our table is of both. */
const family = { ip_version: 'inet' } as const;

/** Registers what is read when it is asked for: how much there is of everything. */
export function felixGauges(metrics: Metrics, { nodeName, felix, hits, clock }: FelixGaugesOptions): void {
  metrics.gauge('felix_host', 'The node as a label; always 1.', ['host']).set({ host: nodeName }, 1);
  sizeGauges(metrics, () => felix.sizes);
  tableGauges(metrics, () => felix.tables);
  hitCounter(metrics, hits, () => felix.output, clock);
}

function sizeGauges(metrics: Metrics, sizes: () => CalcSizes): void {
  const gauges: Readonly<Record<string, readonly [keyof CalcSizes, string]>> = {
    felix_active_local_endpoints: ['localEndpoints', 'Number of active endpoints on this host.'],
    felix_active_local_policies: ['activePolicies', 'Number of active policies on this host.'],
    felix_active_local_selectors: ['activeSets', 'Number of active selectors on this host.'],
    felix_cluster_num_hosts: ['hosts', 'Total number of calico hosts in the cluster.'],
    felix_cluster_num_host_endpoints: ['hostEndpoints', 'Total number of host endpoints cluster-wide.'],
    felix_cluster_num_workload_endpoints: ['workloadEndpoints', 'Total number of workload endpoints cluster-wide.'],
    felix_cluster_num_tiers: ['tiers', 'Total number of tiers cluster-wide.'],
    felix_cluster_num_policies: ['policies', 'Total number of policies cluster-wide.'],
    felix_cluster_num_profiles: ['profiles', 'Total number of profiles cluster-wide.'],
    felix_label_index_num_endpoints: ['members', 'Total number of endpoints and similar objects in the index.'],
  };
  for (const [name, [size, help]] of Object.entries(gauges)) {
    collecting(metrics.gauge(name, help), gauge => gauge.set(sizes()[size]));
  }
}

function tableGauges(metrics: Metrics, tables: () => DataplaneTables | undefined): void {
  const chains = metrics.gauge('felix_nft_chains', 'Number of active nft chains in the Calico table.', ['ip_version']);
  const rules = metrics.gauge('felix_nft_rules', 'Number of active nftables rules in the Calico table.', [
    'ip_version',
  ]);
  collecting(chains, () => {
    let [all, ofAll] = [0, 0];
    for (const { rules: count } of tables()?.chains() ?? []) {
      all++;
      ofAll += count;
    }
    chains.set(family, all);
    rules.set(family, ofAll);
  });
  const sets = metrics.gauge('felix_nft_sets', 'Number of active Calico nftables sets.', ['ip_version']);
  const maps = metrics.gauge('felix_nft_maps', 'Number of active Calico nftables maps.', ['ip_version']);
  collecting(sets, () => {
    let [all, mapping] = [0, 0];
    for (const { map } of tables()?.sets() ?? []) {
      all++;
      if (map) mapping++;
    }
    sets.set(family, all - mapping);
    maps.set(family, mapping);
  });
  const routes = metrics.gauge(
    'felix_route_table_num_routes',
    'Number of routes that Felix is managing in the particular routing table.',
    ['table'],
  );
  collecting(routes, () => {
    const counts = { 'IPv4:254': 0, 'IPv6:254': 0 };
    for (const { destination, state } of tables()?.routes() ?? []) {
      if (state !== 'to be removed') counts[destination.includes(':') ? 'IPv6:254' : 'IPv4:254']++;
    }
    for (const [table, count] of Object.entries(counts)) routes.set({ table }, count);
  });
}

/** The hits of every rule, from a reading that is made for it; scrapes at the same time share one. */
function hitCounter(metrics: Metrics, hits: RuleHits, output: () => CalcOutput, clock: Clock): void {
  const packets = metrics.counter(
    'felix_rule_packets',
    'Packets that each rule met, by policy, direction and position; of profiles and the ends of tiers too.',
    ['rule', 'tier', 'action'],
  );
  const fill = function* () {
    packets.reset();
    const known = new Set<string>();
    for (const hit of ruleHits(output().policies, hits)) {
      yield;
      const { policy, tier, direction, index, action, counter, hits: counted } = hit;
      known.add(counter);
      packets.inc({ rule: `${policy}/${direction}/${index}`, tier, action }, counted?.packets ?? 0);
    }
    for (const { counter, packets: count } of hits.present()) {
      if (!known.has(counter)) packets.inc({ rule: counter }, count);
    }
  };
  let filling: Promise<void> | undefined;
  collecting(packets, () => {
    filling ??= hits
      .refresh()
      .then(() => finishedInTurns(clock, fill()))
      .finally(() => {
        filling = undefined;
      });
    return filling;
  });
}

/** Counts the transactions and readings of our table, and those that the kernel refuses. */
export function countNftCalls(metrics: Metrics, nftables: Nftables): void {
  const counted = {
    transaction: {
      calls: metrics.counter('felix_nft_calls', 'Number of nft rule write transactions.'),
      errors: metrics.counter('felix_nft_errors', 'Number of nft errors when writing rules.'),
    },
    dump: {
      calls: metrics.counter('felix_nft_list_calls', 'Number of nft list calls.'),
      errors: metrics.counter('felix_nft_list_errors', 'Number of nft list errors.'),
    },
  };
  const counting = <A extends unknown[], R>(call: (...args: A) => R, { calls, errors }: (typeof counted)['dump']) => {
    return (...args: A): R => {
      calls.inc();
      try {
        return call(...args);
      } catch (error) {
        errors.inc();
        throw error;
      }
    };
  };
  Object.assign(nftables, {
    transaction: counting(nftables.transaction.bind(nftables), counted.transaction),
    dump: counting(nftables.dump.bind(nftables), counted.dump),
  });
}

/** Has a metric read its value before every scrape: prom-client calls `collect`. */
export function collecting<M extends object>(metric: M, collect: (metric: M) => unknown): void {
  Object.assign(metric, { collect: () => collect(metric) });
}
