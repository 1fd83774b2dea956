// npm run bench: what a user of a node waits for, measured from outside: lives of processes and fates of packets.
import { join } from 'node:path';
import { Namespace, Pod } from '@calico/api';
import { chooseLauncher, Lab, planLab, realSurroundings, unmanagedAnnotation } from '@calico/lab';
import { createLogger, systemClock, systemRandom } from '@calico/process';
import manifest from '../package.json' with { type: 'json' };
import { type Figure, report, timeProcess } from './figures.ts';
import { fateFigures, timeFates } from './node/fates.ts';

const root = join(import.meta.dir, '..');
const executable = join(root, 'dist', 'calico');
const rounds = Number(process.env.CALICO_BENCH_ROUNDS ?? 30);

const figures: Figure[] = [];
const add = (name: string, values: readonly number[], target: string, calico: string, unit = 'ms') =>
  figures.push({ name, values, target, calico, unit });

add('calico version', await timeProcess([executable, 'version'], rounds), '25', '49');
// One node, as a node meets it: the agents of others would run on other machines.
await withLab(1, async lab => {
  const ctl = { KUBECONFIG: lab.kubeconfig, DATASTORE_TYPE: 'kubernetes' };
  add('calicoctl get ippools', await timeProcess([executable, 'ctl', 'get', 'ippools'], rounds, ctl), '25', '52');
  await benchCni(lab, 'CNI ADD, one at a time', 'CNI DEL, one at a time', rounds, 1);
  await benchCni(lab, 'CNI ADD, 8 at once', 'CNI DEL, 8 at once', rounds * 2, 8);
});
await withLab(3, async lab => {
  await benchFates(lab);
  const starts: number[] = [];
  for (let i = 0; i < 5; i++) starts.push(await lab.restartAgent('node1'));
  add('agent start → ready (small cluster)', starts, '500 (large)', '1500 (large)');
  const memory = (await lab.agents()).map(agent => agent.rssBytes / 1e6);
  add('node agent, resident memory', memory, '110', '141 Felix alone', 'MB');
});
report(figures);
process.exit(0);

/** Runs a measurement in a lab of its own, with the namespace `bench`. */
async function withLab(nodes: number, measure: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await Lab.start({
    plan: planLab({ nodes, encapsulation: 'vxlan' }),
    executable,
    version: `v${manifest.version}`,
    launcher: chooseLauncher(realSurroundings()),
    bird: false,
    apiPort: 0,
    logLevel: 'info',
    clock: systemClock,
    random: systemRandom,
    log: createLogger({ component: 'bench', level: 'warn' }),
    progress: () => undefined,
  });
  try {
    await lab.client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'bench' }, spec: {} });
    await measure(lab);
  } finally {
    await lab.stop();
  }
}

/** Pods that no kubelet touches, whose network the benchmark asks for itself. */
async function benchCni(lab: Lab, addName: string, delName: string, count: number, concurrency: number): Promise<void> {
  const pods = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      lab.client.create(Pod, pod(`cni-${concurrency}-${i}`, {}, { [unmanagedAnnotation]: 'true' })),
    ),
  );
  const named = pods.map(({ metadata }) => ({ namespace: 'bench', name: metadata.name, uid: metadata.uid ?? '' }));
  // The first pod claims the node's block: that is measured in the lab's own start, not here.
  const times = await lab.timeCni({ node: 'node1', pods: named, concurrency });
  add(addName, times.addMs, concurrency === 1 ? '20' : '-', concurrency === 1 ? '190-220' : '850-950');
  if (concurrency > 1) add(`  rate of ADD`, [(1000 * count) / times.addWallMs], '120 at least', '9', '/s');
  add(delName, times.delMs, concurrency === 1 ? '15' : '-', concurrency === 1 ? '235' : '-');
  for (const { metadata } of pods) {
    await lab.client.delete(Pod, { namespace: 'bench', name: metadata.name }, { gracePeriodSeconds: 0 });
  }
}

/** From an API write to what packets between two pods of one node meet. */
async function benchFates(lab: Lab): Promise<void> {
  await lab.client.create(Pod, pod('client', { role: 'client' }));
  await lab.client.create(Pod, pod('server', { role: 'server' }));
  await lab.whenPodsRun(2);
  const between = { from: 'bench/client', to: 'bench/server', port: 9000 };
  const times = await timeFates(
    {
      client: lab.client,
      namespace: 'bench',
      from: 'client',
      role: 'server',
      timeUntil: (fate, change) => lab.timeUntil(fate, between, change),
    },
    rounds,
  );
  figures.push(...fateFigures(times, 'small'));
}

function pod(name: string, labels: Record<string, string>, annotations: Record<string, string> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'bench', labels, annotations },
    spec: { nodeName: 'node1', containers: [{ name: 'c', image: 'none' }] },
  };
}
