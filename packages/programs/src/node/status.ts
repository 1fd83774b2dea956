import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CalicoNodeStatus } from '@calico/api';
import { isUnreachable, openBird } from '@calico/bird';
import { isConflict, startReflector } from '@calico/datastore';
import { type BirdAnswer, nodeStatus, RepeatedWork } from '@calico/node';
import { type Component, Lifecycle, runUntilSignal, systemClock, systemRandom } from '@calico/process';
import { printSessions } from '../calicoctl/commands/node-status.ts';
import type { Environment } from '../datastore/config.ts';
import { type NodeEnvironment, readNodeEnvironment } from './environment.ts';
import { withNode } from './lifecycle.ts';
import type { OpenNode } from './open-node.ts';

const times = { clock: systemClock, random: systemRandom };

/** What this node's BIRD says; undefined when nobody answers. Rejects on an answer that can't be read. */
async function askBird({ runFolder }: NodeEnvironment): Promise<BirdAnswer> {
  const bird = openBird(join(runFolder, 'bird.ctl'));
  try {
    const [status, sessions, routes] = await Promise.all([bird.status(), bird.bgpSessions(), bird.routes()]);
    return { status, sessions, routes };
  } catch (error) {
    if (isUnreachable(error)) return undefined;
    throw error;
  }
}

/** `calico component node status show`. Gives 0, or 1 when BIRD does not run. */
export async function runStatusShow(env: Environment): Promise<number> {
  const environment = readNodeEnvironment(env);
  const answer = await askBird(environment);
  if (answer === undefined) {
    process.stdout.write(`BIRD does not answer at ${join(environment.runFolder, 'bird.ctl')}\n`);
    return 1;
  }
  const { version, routerId, lastReboot, lastReconfiguration, message } = answer.status;
  const facts = [
    `BIRD ${version}: ${message}`,
    `Router ID:            ${routerId}`,
    `Last boot:            ${lastReboot}`,
    `Last reconfiguration: ${lastReconfiguration}`,
  ];
  process.stdout.write(`${facts.join('\n')}\n${printSessions(answer.sessions)}`);
  return 0;
}

/** `calico component node status report`, until it is told to end. */
export async function runStatusReport(env: Environment): Promise<number> {
  return await withNode(env, 'status-reporter', async node => {
    const components = [statusReporter(node)];
    await runUntilSignal(new Lifecycle({ components, clock: systemClock, log: node.log }));
  });
}

/** One report that is kept up to date. */
interface Report {
  object: CalicoNodeStatus;
  work: RepeatedWork;
}

/** Keeps the CalicoNodeStatus objects about this node up to date, each as often as it asks for. `ask` is for tests. */
export function statusReporter(
  { datastore, environment, log }: Pick<OpenNode, 'datastore' | 'environment' | 'log'>,
  ask: () => Promise<BirdAnswer> = () => askBird(environment),
): Component {
  const { client } = datastore;
  const reports = new Map<string, Report>();
  const stop = new AbortController();
  const renew = async (name: string): Promise<void> => {
    const report = reports.get(name);
    if (report === undefined) return;
    const { lastUpdated: _, ...before } = report.object.status ?? {};
    const after = nodeStatus(report.object.spec.classes ?? [], await ask());
    if (isDeepStrictEqual(before, after)) return;
    const lastUpdated = `${new Date(systemClock.wallTime()).toISOString().slice(0, 19)}Z`;
    try {
      const status = { ...after, lastUpdated };
      report.object = await client.updateStatus(CalicoNodeStatus, { ...report.object, status });
    } catch (error) {
      // Somebody has changed what is asked for; the watch brings it.
      if (!isConflict(error)) throw error;
    }
  };
  const set = (object: CalicoNodeStatus) => {
    const { name } = object.metadata;
    if (object.spec.node !== environment.nodeName) return remove(name);
    const known = reports.get(name);
    if (known !== undefined && isDeepStrictEqual(known.object.spec, object.spec)) {
      known.object = object;
      return;
    }
    remove(name);
    const seconds = object.spec.updatePeriodSeconds ?? 0;
    const work = new RepeatedWork({
      ...times,
      ...(seconds > 0 ? { intervalMs: seconds * 1_000 } : {}),
      work: () => renew(name),
      onRound: failure => failure && log.warn({ err: failure.error, report: name }, 'A report could not be renewed'),
    });
    reports.set(name, { object, work });
    work.ask();
  };
  const remove = (name: string) => {
    void reports.get(name)?.work.stop();
    reports.delete(name);
  };
  return {
    name: 'status reports',
    start() {
      startReflector(
        client,
        CalicoNodeStatus,
        {
          onSync: objects => objects.forEach(set),
          onEvent: event => (event.type === 'set' ? set(event.object) : remove(event.key.name)),
        },
        { ...times, log, signal: stop.signal },
      );
    },
    async stop() {
      stop.abort(new Error('the program ends'));
      await Promise.all([...reports.values()].map(({ work }) => work.stop()));
    },
  };
}
