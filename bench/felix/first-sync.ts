import { readFileSync } from 'node:fs';
import { startPart } from '../api/part.ts';
import { type Figure, quantile } from '../figures.ts';
import {
  answersWell,
  type BenchAgent,
  type BenchNode,
  nodeName,
  processorMs,
  residentMemory,
} from '../node/bench-node.ts';
import type { W1Task } from './w1-server.ts';

/** Between two questions whether the agent is alive, in ms. */
const askMs = 10;
/** Between two questions whether it is ready, in ms. */
const askReadyMs = 250;
/** Between the end of one ADD and the next, in ms. */
const addPause = 1_000;
const namespaces = 100;
/** Pods that were added. */
let made = 0;

/**
 * What an agent answers while it sees workload W1 for the first time, 250,000 pods and 10,000 policies: the worst answers to
 * /liveness and CNI ADD, on a kernel without rules and then over those that the agent before left.
 */
export async function measureFirstSync(node: BenchNode): Promise<Figure[]> {
  const { server } = node;
  for (let i = 0; i < namespaces; i++) {
    const name = `ns-${i}`;
    await node.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const toServe: W1Task = { url: server.url, ca: server.ca, token: server.token, node: nodeName };
  const part = startPart('w1-server', toServe, import.meta.dir);
  try {
    const { url } = await part.answer<{ url: string }>();
    node.writeKubeconfig(url);
    const fresh = await measureStart(node, 'W1, empty kernel');
    await fresh.agent.end('kill');
    const again = await measureStart(node, 'W1, restart');
    return [...fresh.figures, ...again.figures];
  } finally {
    await part.stop();
  }
}

/** One start, up to readiness. */
async function measureStart(node: BenchNode, name: string): Promise<{ agent: BenchAgent; figures: Figure[] }> {
  const alive: number[] = [];
  const adds: number[] = [];
  let ready = false;
  let pid = 0;
  const asking = async () => {
    while (pid === 0 || !(await answersWell('liveness'))) await Bun.sleep(askMs);
    while (!ready) {
      const startedAt = performance.now();
      if (!(await answersWell('liveness'))) throw new Error('The agent is not live while it sees the cluster');
      alive.push(performance.now() - startedAt);
      await Bun.sleep(askMs);
    }
  };
  const adding = async () => {
    while (!ready) {
      await Bun.sleep(addPause);
      const pod = await node.makePod({ name: `new-${++made}`, namespace: 'ns-0', labels: { 'marker-0': 'true' } });
      if (pid === 0 || ready) continue;
      adds.push((await node.call('ADD', pod, { agent: node.agentSocket })).ms);
    }
  };
  const working = Promise.all([asking(), adding()]);
  const agent = await node.startAgent(started => {
    pid = started;
  }, askReadyMs);
  ready = true;
  await working;
  const [, waitingNs = '0'] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ');
  const figure = (what: string, values: readonly number[], unit: string, target = '-'): Figure => ({
    ...{ name: what, values, unit, target, calico: '-' },
  });
  const figures = [
    figure(`${name}: agent start → ready`, [agent.readyMs / 1000], 's'),
    figure('  its CPU then', [agent.cpuMs / 1000], 's'),
    figure('  its main thread waited for a processor', [Number(waitingNs) / 1e9], 's'),
    figure('  its resident memory then', [agent.resident / 1e6], 'MB'),
    figure('  /liveness meanwhile', alive, 'ms'),
    figure('  /liveness meanwhile, 99.9%', [quantile(alive, 0.999)], 'ms'),
    figure('  /liveness meanwhile, worst', [Math.max(...alive)], 'ms', '100'),
    figure('  CNI ADD meanwhile', adds, 'ms'),
    figure('  CNI ADD meanwhile, worst', [Math.max(...adds)], 'ms', '1000'),
    figure('  resident memory after it all', [residentMemory(pid) / 1e6], 'MB'),
    figure('  CPU after it all', [processorMs(pid) / 1000], 's'),
  ];
  return { agent, figures };
}
