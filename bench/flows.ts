// npm run bench:flows: what a new flow between two pods of a node costs the kernel, and how that grows with policies.
//
// The sender stands in the source pod: UDP packets from a raw socket, each from a new source port, so that each is a new
// flow for conntrack, which is flushed before each run. veth hands a packet to the receiver's side in the sender's own
// call (softirq on its way out of the kernel), so the time of the call is the whole way: routing, conntrack, both hooks of
// ours, the receiver's socket. Calls are short, and the median of a run's calls leaves out those that were interrupted.
// Runs of all sizes are interleaved, so that what else the machine does meets all of them alike. `--in-order` measures
// rules that are asked one by one, as they were before there were lookups.
import { type Resource, workloadInterfaceName } from '@calico/api';
import { ruleCounter, tableName } from '@calico/dataplane';
import { fillThreadPool } from '@calico/kernel/linux';
import { TestCluster } from '../tests/cluster/cluster.ts';
import { type Figure, noteLoad, quantile, report } from './figures.ts';
import { FlowSender, packetsPerCall, swallow } from './flows/sender.ts';
import { deniedPort, everyLabel, flowPort, pod, policies, policy, remotePods, tiers } from './flows/workload.ts';

const sizes = [0, 10, 100, 1000];
const most = 1000;
const calico: Readonly<Record<number, string>> = { 0: '11.5', 10: '12.9', 100: '22.9', 1000: '107' };
const rounds = 5;
const callsPerRun = 120;
const inOrder = process.argv.includes('--in-order');

await fillThreadPool();
const cluster = new TestCluster({
  nodes: 1,
  encapsulation: 'none',
  compiler: () => (inOrder ? { rulesInOrder: Number.MAX_SAFE_INTEGER } : {}),
});
const [client, server] = [cluster.podAddress('node1', 0), cluster.podAddress('node1', 1)];
const lastPeer = "role == 'client'";
let present: Resource[] = [];
let figures: Figure[];
try {
  cluster.addPod('default/client', 'node1', client, workloadInterfaceName('default', 'client'));
  cluster.addPod('default/server', 'node1', server, workloadInterfaceName('default', 'server'));
  cluster.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } } as Resource,
    ...tiers(),
    ...remotePods(most),
    pod('client', 'node1', client, { role: 'client' }),
    pod('server', 'node1', server, { role: 'server' }),
  ]);
  cluster.write();
  figures = [...measureFlows(), ...measureChanges()];
} finally {
  cluster.close();
}
report(figures);
noteLoad('at the end');
process.exit(0);

/** Runs of all sizes in turn; the first round warms up, and shows by the last rule's counter which way packets go. */
function measureFlows(): Figure[] {
  const { namespace } = cluster.pod('default/client');
  const closers = [flowPort, deniedPort].map(port => swallow(cluster.pod('default/server').namespace, server, port));
  const allowed = new FlowSender(namespace, server, flowPort);
  const denied = new FlowSender(namespace, server, deniedPort);
  const flows = new Map(sizes.map(count => [count, [] as number[]]));
  const drops = new Map(sizes.slice(1).map(count => [count, [] as number[]]));
  const crowded: number[] = [];
  for (let round = -1; round < rounds; round++) {
    for (const count of sizes) {
      setPolicies(count);
      const before = lastRuleHits(count);
      const [flow, drop] = [run(allowed), run(denied)];
      const hits = lastRuleHits(count) - before;
      if (count > 0 && hits !== callsPerRun * packetsPerCall) {
        throw new Error(`Cannot measure ${count} policies: ${hits} packets met the last, not all`);
      }
      if (round < 0) continue;
      flows.get(count)?.push(flow);
      drops.get(count)?.push(drop);
      if (count === most) crowded.push(runInEverySet());
    }
  }
  /** The source pod matches every selector: only ports keep the rules before the last from applying. */
  function runInEverySet(): number {
    cluster.apply([pod('client', 'node1', client, { role: 'client', ...everyLabel(most) })]);
    cluster.write();
    const time = run(allowed);
    cluster.apply([pod('client', 'node1', client, { role: 'client' })]);
    return time;
  }
  for (const close of [...closers, () => allowed.close(), () => denied.close()]) close();
  const none = flows.get(0) ?? [];
  const limit = (quantile(none, 0.5) * 1.1).toFixed(1);
  const ratios = (flows.get(most) ?? []).map((value, i) => value / (none[i] ?? Number.NaN));
  return [
    ...[...flows].map(([count, values]) => {
      const target = count === 0 ? '12' : limit;
      return { name: `new flow, ${count} policies`, values, unit: 'µs', target, calico: calico[count] ?? '-' };
    }),
    { name: `  ratio, ${most} to 0`, values: ratios, unit: '', target: '1.1', calico: '9.3' },
    { name: `  source in all ${most} selectors`, values: crowded, unit: 'µs', target: '-', calico: '-' },
    ...[...drops].map(([count, values]) => {
      return { name: `no rule matches, ${count} policies`, values, unit: 'µs', target: '-', calico: '-' };
    }),
  ];
}

/** Microseconds for a packet in the kernel: the median of a run's calls. */
function run(sender: FlowSender): number {
  for (const { kernel } of cluster.nodes) kernel.conntrack.flush();
  const calls: number[] = [];
  for (let call = 0; call < callsPerRun; call++) calls.push(sender.send(1024 + call * packetsPerCall));
  return quantile(calls, 0.5);
}

/** Milliseconds of changes, calculation and kernel included, with all policies. */
function measureChanges(): Figure[] {
  const compiles: number[] = [];
  for (let i = 0; i < 5; i++) {
    setPolicies(0);
    compiles.push(setPolicies(most));
  }
  const updates = Array.from({ length: 20 }, (_, i) => {
    const changed = policy(most - 1, most, lastPeer, `${client}/32`, [flowPort, 20_000 + i]);
    return timed(() => cluster.apply([changed]));
  });
  const relabels = Array.from({ length: 40 }, (_, i) => {
    const labels = { [i % 2 === 0 ? 'p2' : 'p1']: '' };
    return timed(() => cluster.apply([pod('peer-1', 'elsewhere', '10.245.0.1', labels)]));
  });
  const ms = { unit: 'ms', target: '-', calico: '-' };
  return [
    { name: `all of ${most} policies, from none`, values: compiles, ...ms },
    { name: `one rule changed, ${most} policies`, values: updates, ...ms },
    { name: `one pod relabelled, ${most} policies`, values: relabels, ...ms, target: '2' },
    { name: 'resident memory, all parts', values: [process.memoryUsage.rss() / 1e6], ...ms, unit: 'MB' },
  ];
}

/** Has just so many policies; gives the milliseconds from the calculation's flush to the kernel. */
function setPolicies(count: number): number {
  cluster.remove(present);
  present = policies(count, lastPeer, `${client}/32`);
  cluster.apply(present);
  return timed(() => undefined);
}

function timed(change: () => void): number {
  const startedAt = performance.now();
  change();
  cluster.write();
  return performance.now() - startedAt;
}

/** How many packets the last policy's rule has allowed. */
function lastRuleHits(count: number): number {
  const name = ruleCounter(`np/default/default.p${count - 1}`, 'ingress', 0);
  const [node] = cluster.nodes;
  const counters = node?.kernel.nftables.counters({ family: 'inet', name: tableName }) ?? [];
  return counters.find(counter => counter.name === name)?.packets ?? 0;
}
