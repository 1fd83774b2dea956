import type { Cidr, Family } from '@calico/ip';
import type { BgpPool, ClusterView } from './cluster-view.ts';
import { communitiesOf } from './communities.ts';
import { accept, type Clause, type Condition, type FilterFunction, reject } from './filter.ts';

/** Preference above BIRD's own 100 for BGP and 10 for routes of the kernel. */
const URGENT_PREFERENCE = 200;
/** local_pref and metric add up to this: 2^31 - 1. */
const TOP = 2147483647;
const DEFAULT_PRIORITY = 1024;

/** Names of the functions of a family. */
export function functionNames(family: Family): Record<'import' | 'normalise' | 'export' | 'kernel', string> {
  return {
    import: `calico_import_v${family}`,
    normalise: `calico_normalise_v${family}`,
    export: `calico_export_to_bgp_peers_v${family}`,
    kernel: `calico_kernel_programming_v${family}`,
  };
}

/** The metric that routes have when nothing makes them better; the same as Felix's. */
export function normalPriority(view: ClusterView, family: Family): number {
  const { ipv4NormalRoutePriority, ipv6NormalRoutePriority } = view.config;
  return (family === 4 ? ipv4NormalRoutePriority : ipv6NormalRoutePriority) ?? DEFAULT_PRIORITY;
}

/** What a route from a peer becomes: one with more than normal priority wins over a local workload's (live migration). */
export function importRules(view: ClusterView, family: Family): FilterFunction {
  const localPref = TOP - normalPriority(view, family);
  return {
    name: functionNames(family).import,
    takesInternalPeer: false,
    clauses: [
      {
        when: [{ kind: 'localPrefAbove', localPref }],
        do: [{ kind: 'setPreference', preference: URGENT_PREFERENCE }],
      },
    ],
  };
}

/** Before export to peers: metric and local_pref say the same, wherever the route came from. */
export function normaliseRules(view: ClusterView, family: Family): FilterFunction {
  const local: Condition = { kind: 'not', condition: { kind: 'fromBgp' } };
  return {
    name: functionNames(family).normalise,
    takesInternalPeer: false,
    clauses: [
      { when: [{ kind: 'fromBgp' }], do: [{ kind: 'metricFromLocalPref' }] },
      { when: [local, { kind: 'noMetric' }], do: [{ kind: 'setMetric', metric: normalPriority(view, family) }] },
      { when: [local], do: [{ kind: 'localPrefFromMetric' }] },
    ],
  };
}

/** Which routes peers are told of; what falls through is the caller's to reject. */
export function exportRules(view: ClusterView, family: Family): FilterFunction {
  const pools = poolsOf(view, family);
  return {
    name: functionNames(family).export,
    takesInternalPeer: true,
    clauses: [
      ...pools
        .filter(pool => !pool.exported)
        .map(pool => clause('the pool keeps its routes to itself', [within(pool.cidr)], reject)),
      clause('overlay routes are of no use to nodes', [{ kind: 'internalPeer' }, via('*.cali')], reject),
      clause(undefined, [{ kind: 'internalPeer' }, via('*.calico')], reject),
      clause(undefined, [{ kind: 'internalPeer' }, via('tunl0')], reject),
      clause(undefined, [via('bpf*.cali')], reject),
      ...communitiesOf(view, family).map(({ cidr, communities }) => ({
        when: [within(cidr)],
        do: communities.map(parts => ({ kind: 'addCommunity', parts }) as const),
      })),
      ...blocksOf(view, family).flatMap(block => [
        clause('a block of this node', [{ kind: 'exactly', cidr: block }], accept),
        clause(undefined, [within(block), { kind: 'metricBelow', metric: normalPriority(view, family) }], accept),
        clause(undefined, [within(block)], reject),
      ]),
      ...pools.filter(pool => !pool.disabled).map(pool => clause('the pool', [within(pool.cidr)], accept)),
    ],
  };
}

/** Which routes BIRD puts into the kernel, with which metric. */
export function kernelRules(view: ClusterView, family: Family): FilterFunction {
  const metric = normalPriority(view, family);
  const ours = programsNoEncap(view);
  return {
    name: functionNames(family).kernel,
    takesInternalPeer: false,
    clauses: [
      clause('the kernel has these by itself', [{ kind: 'connected' }], reject),
      { when: [{ kind: 'fromBgp' }, { kind: 'noMetric' }], do: [{ kind: 'metricFromLocalPref' }] },
      { when: [{ kind: 'noMetric' }], do: [{ kind: 'setMetric', metric }] },
      ...poolsOf(view, family).map(pool => {
        const verdict = pool.encapsulation === 'none' && ours ? accept : reject;
        const whose = verdict === accept ? 'BIRD routes this pool' : 'Felix routes this pool';
        return clause(`${whose} (encapsulation: ${pool.encapsulation})`, [within(pool.cidr)], verdict);
      }),
      { when: [], do: [accept] },
    ],
  };
}

/** Local blocks of a family that get a blackhole: a block of one address is its workload's own route. */
export function blocksOf(view: ClusterView, family: Family): Cidr[] {
  const full = family === 4 ? 32 : 128;
  return view.blocks.filter(({ addr, length }) => addr.family === family && length < full);
}

/** Whether pools without encapsulation are BIRD's; the FelixConfiguration's field must say the opposite. */
function programsNoEncap(view: ClusterView): boolean {
  const { programClusterRoutes = 'EnabledNoEncapOnly' } = view.config;
  return programClusterRoutes === 'EnabledNoEncapOnly' || programClusterRoutes === 'Enabled';
}

function poolsOf(view: ClusterView, family: Family): BgpPool[] {
  return view.pools.filter(pool => pool.cidr.addr.family === family);
}

function within(cidr: Cidr): Condition {
  return { kind: 'within', cidr };
}

function via(pattern: string): Condition {
  return { kind: 'interface', pattern };
}

function clause(note: string | undefined, when: readonly Condition[], verdict: typeof accept): Clause {
  return { ...(note === undefined ? {} : { note }), when, do: [verdict] };
}
