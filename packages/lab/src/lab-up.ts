import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger, systemClock, systemRandom } from '@calico/process';
import { type ManifestObject, readManifests } from './manifests.ts';
import { wrongCells } from './matrix.ts';
import { type Encapsulation, planLab } from './plan.ts';
import type { Launcher } from './preflight.ts';
import { type LabReport, printScreen, reportJson } from './screen.ts';
import { Lab } from './supervisor.ts';

/** What the user asks for, and where the program is. */
export interface LabUpOptions {
  readonly nodes: number;
  readonly encapsulation: Encapsulation;
  readonly manifests: readonly string[];
  readonly port: number;
  readonly once?: boolean;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly executable: string;
  readonly version: string;
  readonly launcher: Launcher;
}

/** Kinds that are applied after the first matrix: what decides about packets. */
const policyKinds = new Set([
  'NetworkPolicy',
  'GlobalNetworkPolicy',
  'ClusterNetworkPolicy',
  'Tier',
  'NetworkSet',
  'GlobalNetworkSet',
]);

/**
 * Brings a lab up, checks every connection without and with policies, prints the screen, and keeps the lab until a
 * signal or, with `once`, ends it at once. Gives the exit code: 0 only if every cell was as expected.
 */
export async function runLabUp(options: LabUpOptions): Promise<number> {
  const started = performance.now();
  const objects = readManifests(options.manifests);
  const bird = findBird();
  if (options.encapsulation === 'none' && !bird) {
    throw new Error(
      'Cannot run with --encapsulation none: BIRD is missing. Install it: sudo apt-get install --yes bird2',
    );
  }
  const stopped = stopSignal();
  const lab = await Lab.start({
    plan: planLab(options),
    executable: options.executable,
    version: options.version,
    launcher: options.launcher,
    bird: bird && options.encapsulation === 'none',
    apiPort: options.port,
    logLevel: options.verbose ? 'debug' : 'info',
    clock: systemClock,
    random: systemRandom,
    log: createLogger({
      component: 'lab',
      level: options.verbose ? 'debug' : 'warn',
      write: line => void process.stderr.write(line),
    }),
    progress: text => void process.stderr.write(`… ${text}\n`),
  });
  try {
    const report = await Promise.race([check(lab, objects, started), lab.ended, stopped.then(() => undefined)]);
    if (report === undefined) return 130;
    const command = process.argv0.includes('/') ? options.executable : process.argv0;
    const text = options.json ? JSON.stringify(reportJson(report), null, 2) : printScreen(report, command);
    process.stdout.write(`${text}\n`);
    const exitCode = wrongCells([...report.open, ...report.withPolicies]).length === 0 ? 0 : 1;
    if (options.once) return exitCode;
    await Promise.race([stopped, lab.ended]);
    return exitCode;
  } finally {
    process.stderr.write('… ending the lab\n');
    await lab.stop();
  }
}

async function check(lab: Lab, objects: readonly ManifestObject[], started: number): Promise<LabReport> {
  const since = (from: number) => performance.now() - from;
  const nodesReady = since(started);
  const say = (text: string) => void process.stderr.write(`… ${text}\n`);

  say('starting the pods');
  const podsFrom = performance.now();
  const policies = objects.filter(object => policyKinds.has(object.kind.kind));
  const workloads = objects.filter(object => !policyKinds.has(object.kind.kind));
  await lab.apply(workloads);
  const pods = await lab.whenPodsRun(expectedPods(workloads));
  const podsRunning = since(podsFrom);

  say('connecting every pod to every other, without policies');
  const openFrom = performance.now();
  const open = await lab.matrix();
  const openMatrix = since(openFrom);

  say('the same with policies');
  const policyFrom = performance.now();
  await lab.apply(policies);
  await lab.whenSeen(policies);
  const withPolicies = await lab.matrix();
  const policyMatrix = since(policyFrom);

  return {
    plan: lab.plan,
    pods,
    policies: policies.map(({ resource }) => resource.metadata.name),
    open,
    withPolicies,
    kubeconfig: lab.kubeconfig,
    timings: { nodesReady, podsRunning, openMatrix, policyMatrix, total: since(started) },
  };
}

/** How many pods the objects ask for: each Deployment's replicas, and pods by themselves. */
function expectedPods(objects: readonly ManifestObject[]): number {
  return objects.reduce((sum, { kind, resource }) => {
    if (kind.kind === 'Pod') return sum + 1;
    if (kind.kind !== 'Deployment') return sum;
    return sum + ((resource.spec as { replicas?: number } | undefined)?.replicas ?? 1);
  }, 0);
}

function findBird(): boolean {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return folders.some(folder => existsSync(join(folder, 'bird')));
}

/** Resolves at the first signal that asks to stop. */
function stopSignal(): Promise<void> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
}
