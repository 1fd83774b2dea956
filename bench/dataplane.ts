// npm run bench:dataplane: the dataplane alone, on the real kernel: first sync of a large node, resync, small changes.
//
// Messages come ready from the calculation; measured is what Dataplane does with them, cut into turns as the agent does it:
// the longest turn of the event loop, and the sum. Small changes are whole: taken in, compiled, in the kernel.
import type { Resource } from '@calico/api';
import { CalcGraph } from '@calico/calc';
import { Dataplane, defaultDataplaneConfig, tableName } from '@calico/dataplane';
import { cidr } from '@calico/ip';
import type { Kernel } from '@calico/kernel';
import { createNamespace, deleteNamespace, fillThreadPool, openKernel } from '@calico/kernel/linux';
import { Turn } from '@calico/reconcile';
import { modelUpdate } from '../tests/cases/model-update.ts';
import { appPolicy, cluster, localInterface, remotePod, thisNode, thisNodeAddress } from './dataplane/workload.ts';
import { type Figure, noteLoad, report } from './figures.ts';

const size = { nodes: 1000, remotePods: 5000, localPods: 50, policies: 500 };
const rounds = 5;
const clock = { now: () => performance.now() };

await fillThreadPool();
const path = `/run/netns/bench-dataplane-${process.pid}`;
const namespace = createNamespace(path);
const figures: Figure[] = [];
try {
  const kernel = openKernel({ namespace });
  addInterfaces(kernel);
  measure(kernel);
  kernel.close();
} finally {
  namespace.close();
  deleteNamespace(path);
}
report(figures);
noteLoad('at the end');
process.exit(0);

function measure(kernel: Kernel): void {
  const calc = new CalcGraph({ nodeName: thisNode });
  const update = (resource: Resource): void => {
    const change = modelUpdate(resource);
    if (change !== undefined) calc.update(change);
  };
  for (const resource of cluster(size)) update(resource);
  calc.inSync();
  const all = calc.flush();
  const works = { 'first sync': new Work(), restart: new Work(), resync: new Work() };
  let dataplane = newDataplane(kernel);
  for (let round = 0; round < rounds; round++) {
    clear(kernel);
    for (const work of [works['first sync'], works.restart]) {
      dataplane = newDataplane(kernel);
      dataplane.handle(all);
      work.measure(dataplane.applyInSteps());
    }
    works.resync.measure(dataplane.resyncInSteps());
  }
  const change = (resource: Resource): number => {
    update(resource);
    const messages = calc.flush();
    const startedAt = performance.now();
    dataplane.handle(messages);
    dataplane.apply();
    return performance.now() - startedAt;
  };
  const relabels = Array.from({ length: 40 }, (_, i) => change(remotePod(7, size.nodes, size.policies, 1 + (i % 2))));
  const policies = Array.from({ length: 20 }, (_, i) => change(appPolicy(11, size.policies, 30_000 + i)));
  const ms = { unit: 'ms', target: '-', calico: '-' };
  for (const [name, { longest, sums, cpu }] of Object.entries(works)) {
    figures.push(
      { name: `${name}, longest turn`, values: longest, ...ms, target: '20' },
      { name: '  all turns', values: sums, ...ms },
      { name: '  CPU time', values: cpu, ...ms },
    );
  }
  figures.push(
    { name: 'one pod relabelled', values: relabels, ...ms },
    { name: 'one policy changed', values: policies, ...ms },
  );
}

/** What the runs of one piece of work took, in milliseconds. */
class Work {
  readonly longest: number[] = [];
  readonly sums: number[] = [];
  readonly cpu: number[] = [];

  /** Does the steps in turns, as the agent does. */
  measure(steps: Generator<unknown>): void {
    const before = process.cpuUsage();
    const turns: number[] = [];
    for (let done = false; !done; ) {
      const startedAt = performance.now();
      const turn = new Turn(clock);
      while (!done && !turn.spent) done = steps.next().done === true;
      turns.push(performance.now() - startedAt);
    }
    const { user, system } = process.cpuUsage(before);
    this.longest.push(Math.max(...turns));
    this.sums.push(turns.reduce((sum, turn) => sum + turn, 0));
    this.cpu.push((user + system) / 1000);
  }
}

function newDataplane(kernel: Kernel): Dataplane {
  return new Dataplane(kernel, { ...defaultDataplaneConfig, nodeName: thisNode });
}

function addInterfaces(kernel: Kernel): void {
  const eth0 = kernel.createLink({ kind: 'bridge', name: 'eth0', mtu: 1500, up: true });
  kernel.replaceAddress({ link: eth0.index, address: cidr(thisNodeAddress), scope: 'universe' });
  for (let i = 0; i < size.localPods; i++) kernel.createLink({ kind: 'bridge', name: localInterface(i), up: true });
}

/** Takes away what was written: the next dataplane starts on an empty node. */
function clear(kernel: Kernel): void {
  const table = { family: 'inet', name: tableName } as const;
  if (kernel.nftables.dump(table) !== undefined) kernel.nftables.transaction(table, [{ op: 'deleteTable' }]);
  const vxlan = kernel.link('vxlan.calico');
  if (vxlan !== undefined) kernel.deleteLink(vxlan.index);
  for (const route of kernel.routes({ table: 254 })) if (route.protocol !== 2) kernel.deleteRoute(route);
}
