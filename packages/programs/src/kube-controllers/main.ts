import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { lead, type RunConfig, type Stores, startControllers, Views } from '@calico/controllers';
import { apiGroupOf } from '@calico/datastore/kubernetes';
import { Ipam } from '@calico/ipam';
import {
  type Component,
  createLog,
  createMetrics,
  type HttpServer,
  httpServer,
  Lifecycle,
  type Log,
  type Logger,
  type Metrics,
  metricsServer,
  parseLogLevel,
  runUntilSignal,
  systemClock,
  systemRandom,
} from '@calico/process';
import { backoff } from '@calico/reconcile';
import { type Environment, environmentConfig } from '../datastore/config.ts';
import { openDatastore, openKubernetes } from '../datastore/open.ts';
import { version } from '../version.ts';
import { type Compactable, compactEtcd } from './compaction.ts';
import { loadConfiguration, watchConfiguration } from './configuration.ts';
import { readFlags, USAGE } from './flags.ts';
import { healthCheck } from './health-check.ts';
import { readStatusFile, StatusFile } from './status-file.ts';

/** Exit code by which a process asks to be started again with its new configuration; Calico's own. */
const RESTART_EXIT_CODE = 129;
/** For so long the datastore may take to answer at first; ms. */
const START_MS = 60_000;

/** `calico component kube-controllers …`. Gives the exit code: 0 after a signal, 129 when a changed configuration needs a new start. */
export async function runKubeControllers(args: readonly string[], env: Environment): Promise<number> {
  const command = readFlags(args);
  switch (command.run) {
    case 'controllers':
      return await run(command.statusFile, command.healthPort, env);
    case 'check-status': {
      const { ready, reasons } = readStatusFile(command.statusFile);
      for (const reason of reasons) process.stderr.write(`${reason}\n`);
      return ready ? 0 : 1;
    }
    default:
      process.stdout.write(command.run === 'help' ? USAGE : `${version}\n`);
      return 0;
  }
}

async function run(statusFile: string, healthPort: number, env: Environment): Promise<number> {
  const log = createLog({ component: 'kube-controllers', level: parseLogLevel(env.LOG_LEVEL ?? '') ?? 'info' });
  const { logger } = log;
  const end = new AbortController();
  const status = new StatusFile(statusFile, error => logger.warn({ err: error }, error.message));
  status.set('Startup', false, 'initialized to false');
  status.set('CalicoDatastore', false, 'initialized to false');
  status.set('KubeAPIServer', false, 'initialized to false');

  const settings = environmentConfig(env);
  const datastore = await openDatastore(settings, { env, log: logger });
  const kubernetes = datastore.type === 'etcdv3' ? await openKubernetes(settings, { env }) : datastore.client;
  const stores: Stores = { calico: datastore.client, kubernetes };
  const metrics = createMetrics();

  let code = 0;
  const health = healthRoutes(healthPort, status);
  const components: Component[] = [
    ...(health === undefined ? [] : [health]),
    {
      name: 'controllers',
      ...controllersComponent({
        stores,
        etcd: datastore.type === 'etcdv3' ? (datastore.client as Compactable) : undefined,
        env,
        log,
        metrics,
        status,
        end,
        restart() {
          logger.warn({}, 'Starting again: the configuration has changed');
          code = RESTART_EXIT_CODE;
          end.abort();
        },
      }),
    },
  ];
  const lifecycle = new Lifecycle({ components, clock: systemClock, log: logger, stopTimeoutMs: 20_000 });
  await runUntilSignal(lifecycle, { end: end.signal });
  datastore.close();
  return code;
}

function healthRoutes(port: number, status: StatusFile): HttpServer | undefined {
  if (port === 0) return undefined;
  const answer = () => {
    const { ready, reasons } = status.summary;
    return new Response(ready ? 'ok\n' : `${reasons.join('\n')}\n`, { status: ready ? 200 : 503 });
  };
  return httpServer('health server', { host: '', port }, { '/liveness': answer, '/readiness': answer });
}

interface Parts {
  readonly stores: Stores;
  /** Calico's kinds are in an etcd. */
  readonly etcd: Compactable | undefined;
  readonly env: Environment;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly status: StatusFile;
  readonly end: AbortController;
  restart(): void;
}

/** Everything after the configuration is known. Starting does not wait: a signal ends it at any point. */
function controllersComponent(parts: Parts): Pick<Component, 'start' | 'stop'> {
  const { stores, etcd, env, log, metrics, status, end } = parts;
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  const work = async () => {
    const [config, group] = await whenAnswered(
      () => Promise.all([loadConfiguration(stores.calico, env), apiGroupOf(stores.calico)]),
      log.logger,
      stop.signal,
    );
    log.setLevel(parseLogLevel(config.logSeverity) ?? 'info');
    const servers = await startServers(config, parts);
    try {
      status.set('Startup', true);
      const deps = { clock: systemClock, random: systemRandom, log: log.logger, signal: stop.signal };
      watchConfiguration(stores.calico, env, config, parts.restart, deps);
      const leadership = await lead({
        client: stores.kubernetes,
        namespace: podNamespace(env),
        name: 'calico-kube-controllers',
        identity: `${hostname()}_${randomUUID()}`,
        clock: systemClock,
        log: log.logger,
        signal: stop.signal,
      });
      const signal = AbortSignal.any([stop.signal, leadership.lost]);
      const ipam = new Ipam({ client: stores.calico, clock: systemClock, random: systemRandom, log: log.logger });
      const views = new Views({ ...deps, signal });
      const finalizers = group === 'projectcalico.org/v3';
      const controllers = startControllers({ ...deps, signal, stores, views, ipam, metrics, finalizers }, config);
      const compacting = etcd && compactEtcd(etcd, config.compactionMs, { ...deps, signal });
      await Promise.all([controllers.done, compacting]);
      if (stop.signal.aborted) await leadership.release();
      else throw leadership.lost.reason;
    } finally {
      for (const server of servers) await server.stop();
    }
  };
  return {
    start() {
      running = work().catch(err => {
        if (!stop.signal.aborted) end.abort(err);
      });
    },
    async stop() {
      stop.abort(new Error('kube-controllers stops'));
      await running;
    },
  };
}

async function startServers(config: RunConfig, { stores, metrics, status }: Parts): Promise<Component[]> {
  const servers: Component[] = [];
  if (config.metricsPort !== 0) servers.push(metricsServer({ host: '', port: config.metricsPort }, metrics.registry));
  if (config.healthChecks) servers.push(healthCheck(stores, status, systemClock));
  else for (const part of ['CalicoDatastore', 'KubeAPIServer'] as const) status.set(part, true, 'not checked');
  for (const server of servers) await server.start();
  return servers;
}

/** What a call gives, tried again for a minute while the datastore does not answer. */
async function whenAnswered<T>(call: () => Promise<T>, log: Logger, signal: AbortSignal): Promise<T> {
  const delays = backoff({ base: 200, max: 5000 }, systemRandom);
  const began = systemClock.now();
  for (;;) {
    signal.throwIfAborted();
    try {
      return await call();
    } catch (err) {
      if (systemClock.now() - began > START_MS) throw err;
      if (err instanceof Error && err.message.startsWith('Cannot start')) throw err;
      log.warn({ err }, 'the datastore does not answer yet');
    }
    await systemClock.sleep(delays.next(), signal);
  }
}

/** The namespace that the process's pod is in, for its Lease. */
function podNamespace(env: Environment): string {
  if (env.POD_NAMESPACE) return env.POD_NAMESPACE;
  try {
    return readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/namespace', 'utf8').trim() || 'kube-system';
  } catch {
    return 'kube-system';
  }
}
