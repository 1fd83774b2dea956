import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openBird } from '@calico/bird';
import { createCniHandler, LateWork } from '@calico/cni';
import { startCniServer } from '@calico/cni/server';
import type { Client } from '@calico/datastore';
import { type KindStatus, type Syncer, startFelixSyncer } from '@calico/datastore';
import { Ipam, watchedSettings } from '@calico/ipam';
import type { Kernel } from '@calico/kernel';
import { connectUnixDatagrams, fillThreadPool, openKernel, openNamespace } from '@calico/kernel/linux';
import {
  type Component,
  createLog,
  createMetrics,
  HealthAggregator,
  healthServer,
  Lifecycle,
  type Metrics,
  runUntilSignal,
  systemClock,
  systemRandom,
} from '@calico/process';
import { LogFiles } from '@calico/process/log-files';
import { withTimeout } from '@calico/process/with-timeout';
import { AgentLogFile } from './agent-log-file.ts';
import { AgentSyslog } from './agent-syslog.ts';
import { bgpComponent } from './bgp.ts';
import { bgpMetrics } from './bgp-metrics.ts';
import { cniTokenService } from './cni-token.ts';
import { debugComponent } from './debug.ts';
import { Felix } from './felix.ts';
import { type AgentConfig, felixSettings, timeoutsOf } from './felix-config.ts';
import { countNftCalls, felixGauges } from './felix-gauges.ts';
import { felixMetrics } from './felix-metrics.ts';
import { localParameters } from './felix-sources.ts';
import { heartbeat } from './heartbeat.ts';
import { watchLoopDelay } from './loop-delay.ts';
import { MetricsPage } from './metrics-page.ts';
import { movableServer } from './movable-server.ts';
import { type MtuWatch, mtuWatch } from './mtu-watch.ts';
import { completeStartup, nodeObjectService } from './node-services.ts';
import { NodeView } from './node-view.ts';
import { type OpenNode, openNode } from './open-node.ts';
import { PodView } from './pod-view.ts';
import { RuleHits } from './rule-hits.ts';
import { statusReporter } from './status.ts';
import { StatusFiles } from './status-files.ts';
import { StatusReports } from './status-reports.ts';
import { noView, watchViewHealth } from './view-health.ts';

/** Where tests look in. */
export interface NodeAgentHooks {
  /** Told which part of a call of the CNI plugin has just been done: `ADD veth`, `DEL ipam` … */
  onCniPhase?(phase: string): void;
  /** Wraps what addresses are read and written with. */
  ipamClient?(client: Client): Client;
  /** Gives the kernel to work with in place of the real one. */
  wrapKernel?(kernel: Kernel): Kernel;
}

/**
 * Runs everything that a node needs in one process: Felix, the CNI server, BGP beside it, health and metrics. Gives the
 * exit code: 0 after a signal. Changed parameters never need a new start.
 */
export async function runNodeAgent(
  env: Readonly<Record<string, string | undefined>>,
  hooks: NodeAgentHooks = {},
): Promise<number> {
  // Compiling early costs the agent more than it gains: 15.9 rather than 28 ms of a processor for its first ADDs, and 26.4 rather
  // than 29.6 s for its first sight of 250,000 pods.
  Bun.unsafe.setJITPolicy(20);
  await fillThreadPool();
  const parameters = localParameters(env);
  const { agent: config } = felixSettings('', parameters);
  const agentLog = createLog({ component: 'node', level: config.logLevel });
  const log = agentLog.logger;
  const logFiles = new LogFiles(() => systemClock.wallTime());
  const logFile = new AgentLogFile(log, logFiles);
  const syslog = new AgentSyslog(() => connectUnixDatagrams('/dev/log'), systemClock);
  const logAlsoTo = (now: AgentConfig) => agentLog.alsoTo([...logFile.targets(now), ...syslog.targets(now)]);
  logAlsoTo(config);
  const node = await openNode(env, log, hooks.wrapKernel);
  const { environment, datastore, kernel } = node;
  const { client } = datastore;
  for (const folder of [environment.runFolder, environment.libFolder]) mkdirSync(folder, { recursive: true });
  const metrics = createMetrics();
  const health = new HealthAggregator(systemClock);
  const end = new AbortController();
  const healthAt = ({ healthEnabled, healthHost, healthPort }: AgentConfig) =>
    healthEnabled ? { host: healthHost, port: healthPort } : undefined;
  const healthPage = movableServer('health server', healthAt(config), at => healthServer(at, health), log);
  const metricsPage = new MetricsPage(config, { registry: metrics.registry, health, clock: systemClock, log });
  const statusPrefix = (now: AgentConfig) => now.endpointStatusPrefix ?? environment.runFolder;
  const statusFiles = new StatusFiles({
    ...{ prefix: statusPrefix(config), clock: systemClock, random: systemRandom },
    log: log.child({ component: 'endpoint-status' }),
  });
  const statusReports =
    datastore.values === undefined
      ? []
      : [
          new StatusReports({
            ...{
              nodeName: environment.nodeName,
              values: datastore.values,
              config,
              clock: systemClock,
              random: systemRandom,
            },
            log: log.child({ component: 'status-reports' }),
          }),
        ];
  health.overrideTimeouts(timeoutsOf(config));
  const felix = new Felix({
    nodeName: environment.nodeName,
    kernel,
    parameters,
    clock: systemClock,
    random: systemRandom,
    log: log.child({ component: 'felix' }),
    health,
    metrics: felixMetrics(metrics),
    statusListeners: [statusFiles, ...statusReports],
    onConfig(now) {
      agentLog.setLevel(now.logLevel);
      logAlsoTo(now);
      healthPage.listen(healthAt(now));
      metricsPage.follow(now);
      statusFiles.setPrefix(statusPrefix(now));
      for (const reports of statusReports) reports.setConfig(now);
      health.overrideTimeouts(timeoutsOf(now));
    },
  });
  const hits = new RuleHits({ kernel, clock: systemClock, log: log.child({ component: 'felix' }) });
  felixGauges(metrics, { nodeName: environment.nodeName, felix, hits, clock: systemClock });
  countNftCalls(metrics, kernel.nftables);
  if (environment.bird) bgpMetrics(metrics, openBird(join(environment.runFolder, 'bird.ctl')), systemClock);
  const loopDelay = watchLoopDelay(systemClock, health, metrics);
  const view = new NodeView(environment.nodeName);
  const pods = new PodView(environment.nodeName);
  const mtu = mtuWatch(node, view, parameters);
  const settings = watchedSettings(client, { clock: systemClock, random: systemRandom, log, signal: end.signal });
  const ipam = new Ipam({
    client: hooks.ipamClient?.(client) ?? client,
    clock: systemClock,
    random: systemRandom,
    log: log.child({ component: 'ipam' }),
    settings,
  });

  const object = nodeObjectService(node, {
    ipam,
    health,
    onChanged: call => view.onChanged(call),
    fail: error => end.abort(error),
  });
  const felixPart = felixComponent({ felix, node, view, pods, health, metrics, end, after: object.started });
  const components: Component[] = [
    healthPage,
    metricsPage,
    object,
    felixPart,
    statusFiles,
    ...statusReports,
    // While the first view is being seen nobody knows the rules that an earlier run's counters belong to.
    { name: 'rule hits', start: () => void felix.whenReady.then(() => hits.start()), stop: () => hits.stop() },
    debugComponent({ node, felix, hits, view: felixPart.status, health, loop: loopDelay }),
    mtu,
    cniComponent({ node, ipam, felix, view, pods, kinds: felixPart.status, mtu, hooks }),
    completeStartup(node, async () => health.readiness().causes[0]),
    heartbeat(node, health),
    statusReporter(node),
    ...cniToken(node, health),
    ...(environment.bird
      ? [bgpComponent({ datastore, environment, health, clock: systemClock, random: systemRandom, log })]
      : []),
  ];
  const lifecycle = new Lifecycle({ components, clock: systemClock, log });
  await runUntilSignal(lifecycle, { end: end.signal });
  loopDelay.cancel();
  node.close();
  await withTimeout(logFiles.settled(), 1_000, 'write the log files', systemClock).catch(() => undefined);
  return Number(process.exitCode ?? 0);
}

const startupReporter = 'FelixStartup';

/**
 * Felix with its view of the cluster, which it takes once the cluster has what this node puts there at its start. Ends the process when the view is lost for good.
 */
function felixComponent(parts: {
  felix: Felix;
  node: OpenNode;
  view: NodeView;
  pods: PodView;
  health: HealthAggregator;
  metrics: Metrics;
  end: AbortController;
  after: Promise<void>;
}): Component & { status(): readonly KindStatus[] } {
  const { felix, node, view, pods, health, metrics, end, after } = parts;
  const { client, type } = node.datastore;
  const stop = new AbortController();
  let syncer: Syncer | undefined;
  let timer: { cancel(): void } | undefined;
  let reportHealth = (): void => {};
  const watch = (): void => {
    if (stop.signal.aborted) return;
    syncer = startFelixSyncer(
      client,
      {
        onUpdates: updates => {
          view.onUpdates(updates);
          return felix.onUpdates(updates);
        },
        onInSync: () => {
          view.onInSync();
          felix.onInSync();
        },
        onObject: (kind, key, object) => pods.onObject(kind, key, object),
        onStatus: () => reportHealth(),
      },
      { clock: systemClock, random: systemRandom, log: node.log, signal: stop.signal },
      type,
    );
    syncer.done.catch(error => end.abort(error));
    reportHealth = watchViewHealth(syncer, health, metrics);
    reportHealth();
    timer = systemClock.setInterval(reportHealth, 1_000);
  };
  return {
    name: 'felix',
    status: () => syncer?.status() ?? [],
    start() {
      felix.start();
      health.register({ name: startupReporter });
      health.report(startupReporter, { live: true, ready: false, detail: 'this node is not in the datastore yet' });
      reportHealth = watchViewHealth(noView, health, metrics);
      reportHealth();
      void after.then(() => {
        health.report(startupReporter, { live: true, ready: true });
        watch();
      });
    },
    async stop() {
      timer?.cancel();
      stop.abort(new Error('the agent stops'));
      await syncer?.done.catch(() => undefined);
      felix.stop();
    },
  };
}

/** The token of plugins that work without the agent; not ready once one has ended. */
function cniToken({ env, log }: OpenNode, health: HealthAggregator): Component[] {
  const reporter = 'CNI token';
  const service =
    env.CALICO_MANAGE_CNI === 'false'
      ? undefined
      : cniTokenService(env, log.child({ component: 'cni-token' }), {
          onState: ({ holdsMs, error }) => {
            const holds = holdsMs === undefined ? 'none yet' : `holds for ${Math.round(holdsMs / 60_000)} min`;
            const detail = error === undefined ? holds : `${holds}; ${error}`;
            health.report(reporter, { live: true, ready: holdsMs === undefined || holdsMs > 0, detail });
          },
        });
  if (service === undefined) return [];
  health.register({ name: reporter });
  return [service];
}

function cniComponent(parts: {
  node: OpenNode;
  ipam: Ipam;
  felix: Felix;
  view: NodeView;
  pods: PodView;
  kinds: () => readonly KindStatus[];
  mtu: MtuWatch;
  hooks: NodeAgentHooks;
}): Component {
  const { node, ipam, felix, view, pods, kinds, mtu, hooks } = parts;
  const { environment, datastore, kubernetes, kernel } = node;
  const log = node.log.child({ component: 'cni' });
  const late = new LateWork();
  let server: { stop(): Promise<void> } | undefined;
  return {
    name: 'CNI server',
    async start() {
      const handler = createCniHandler({
        nodeName: environment.nodeName,
        client: datastore.client,
        datastoreType: datastore.type,
        kubernetes,
        datastoreReady: () => view.datastoreReady,
        seenPod: name => (pods.isShownBy(kinds()) ? pods.pod(name) : undefined),
        ipam,
        kernel,
        openKernel: namespace => openKernel({ namespace }),
        openNamespace,
        felix,
        mtu: mtu.mtu,
        mtuFile: join(environment.libFolder, 'mtu'),
        clock: systemClock,
        random: systemRandom,
        log,
        late,
        onPhase: phase => hooks.onCniPhase?.(phase),
      });
      server = await startCniServer({ socketPath: join(environment.runFolder, 'cni.sock'), handler, log });
    },
    async stop() {
      await server?.stop();
      await late.settled();
    },
  };
}
