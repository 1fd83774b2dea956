import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createCniHandler, startCniServer } from '@calico/cni';
import { type Client, type Syncer, startFelixSyncer } from '@calico/datastore';
import { Ipam, watchedSettings } from '@calico/ipam';
import type { Kernel } from '@calico/kernel';
import { fillThreadPool, openKernel, openNamespace } from '@calico/kernel/linux';
import {
  type Component,
  createLogger,
  createMetrics,
  HealthAggregator,
  healthServer,
  Lifecycle,
  type Logger,
  type Metrics,
  metricsServer,
  parseLogLevel,
  runUntilSignal,
  systemClock,
  systemRandom,
} from '@calico/process';
import { environmentConfig } from '../datastore/config.ts';
import { type Datastore, openDatastore, openKubernetesBeside } from '../datastore/open.ts';
import { bgpComponent } from './bgp.ts';
import { type NodeEnvironment, readNodeEnvironment } from './environment.ts';
import { Felix } from './felix.ts';
import { felixEnvironment, felixParameters } from './felix-config.ts';
import { countRuleHits, felixMetrics } from './felix-metrics.ts';
import { defaultPodMtu } from './mtu.ts';
import { publishCalicoNode, publishNode, whenNodeExists } from './node-object.ts';
import { PoolView } from './pool-view.ts';
import { watchViewHealth } from './view-health.ts';

/** Exit code by which a process asks to be started again with its new configuration; Calico's own. */
const restartExitCode = 129;

/**
 * Runs everything that a node needs in one process: Felix, the CNI server, BGP beside it, health and metrics. Gives the
 * exit code: 0 after a signal, 129 when a changed parameter needs a new start.
 */
export async function runNodeAgent(env: Readonly<Record<string, string | undefined>>): Promise<number> {
  await fillThreadPool();
  const environment = readNodeEnvironment(env);
  const parameters = felixEnvironment(env, felixParameters);
  const log = createLogger({
    component: 'node',
    level: parseLogLevel(parameters.LogSeverityScreen ?? 'Info') ?? 'info',
  });
  for (const folder of [environment.runFolder, environment.libFolder]) mkdirSync(folder, { recursive: true });

  const config = environmentConfig(env);
  const opening = { env, clock: systemClock, random: systemRandom, log };
  const datastore = await openDatastore(config, opening);
  const kubernetes = await openKubernetesBeside(datastore, config, opening);
  const { client } = datastore;
  const kernel = openKernel();
  const metrics = createMetrics();
  const health = new HealthAggregator(systemClock);
  const end = new AbortController();
  const restart = (reason: string) => {
    log.warn({ reason }, 'Starting again');
    process.exitCode = restartExitCode;
    end.abort();
  };
  const felix = new Felix({
    nodeName: environment.nodeName,
    kernel,
    environment: parameters,
    clock: systemClock,
    random: systemRandom,
    log: log.child({ component: 'felix' }),
    health,
    metrics: felixMetrics(metrics),
    restart,
  });
  countRuleHits(metrics, kernel);
  const pools = new PoolView();
  const settings = watchedSettings(client, { clock: systemClock, random: systemRandom, log, signal: end.signal });
  const ipam = new Ipam({
    client,
    clock: systemClock,
    random: systemRandom,
    log: log.child({ component: 'ipam' }),
    settings,
  });

  const components: Component[] = [
    healthServer({ host: parameters.HealthHost ?? 'localhost', port: Number(parameters.HealthPort ?? 9099) }, health),
    metricsServer(
      { host: parameters.PrometheusMetricsHost ?? '', port: Number(parameters.PrometheusMetricsPort ?? 9091) },
      metrics.registry,
    ),
    felixComponent(felix, datastore, pools, { health, metrics }, log, end),
    nodeObjectComponent(datastore, ipam, pools, environment, log, end.signal),
    cniComponent({ environment, datastore, kubernetes, ipam, kernel, felix, pools, log }),
    ...(environment.bird
      ? [bgpComponent({ datastore, environment, health, clock: systemClock, random: systemRandom, log })]
      : []),
  ];
  const lifecycle = new Lifecycle({ components, clock: systemClock, log });
  await runUntilSignal(lifecycle, { end: end.signal });
  kernel.close();
  datastore.close();
  return Number(process.exitCode ?? 0);
}

/** Felix with its view of the cluster. Ends the process when the view is lost for good. */
function felixComponent(
  felix: Felix,
  { client, type }: Datastore,
  pools: PoolView,
  { health, metrics }: { readonly health: HealthAggregator; readonly metrics: Metrics },
  log: Logger,
  end: AbortController,
): Component {
  const stop = new AbortController();
  let syncer: Syncer | undefined;
  let timer: { cancel(): void } | undefined;
  let reportHealth = (): void => {};
  return {
    name: 'felix',
    start() {
      felix.start();
      syncer = startFelixSyncer(
        client,
        {
          onUpdates: updates => {
            pools.onUpdates(updates);
            felix.onUpdates(updates);
          },
          onInSync: () => felix.onInSync(),
          onStatus: () => reportHealth(),
        },
        { clock: systemClock, random: systemRandom, log, signal: stop.signal },
        type,
      );
      syncer.done.catch(error => end.abort(error));
      reportHealth = watchViewHealth(syncer, health, metrics);
      reportHealth();
      timer = systemClock.setInterval(reportHealth, 1_000);
    },
    async stop() {
      timer?.cancel();
      stop.abort(new Error('the agent stops'));
      await syncer?.done.catch(() => undefined);
      felix.stop();
    },
  };
}

/** Publishes the node's addresses, on Kubernetes once the kubelet has made its object, and again whenever pools change. */
function nodeObjectComponent(
  { client, type }: Datastore,
  ipam: Ipam,
  pools: PoolView,
  environment: NodeEnvironment,
  log: Logger,
  signal: AbortSignal,
): Component {
  const { nodeName, address } = environment;
  return {
    name: 'node object',
    async start() {
      if (type === 'kubernetes') await whenNodeExists(client, nodeName, systemClock, signal);
      const publish = type === 'kubernetes' ? publishNode : publishCalicoNode;
      await publish(client, ipam, nodeName, address);
      pools.onPoolsChanged(() => {
        publish(client, ipam, nodeName, address).catch(error =>
          log.warn({ err: error }, 'Node addresses could not be published'),
        );
      });
    },
    stop() {},
  };
}

function cniComponent(parts: {
  environment: NodeEnvironment;
  datastore: Datastore;
  kubernetes: Client | undefined;
  ipam: Ipam;
  kernel: Kernel;
  felix: Felix;
  pools: PoolView;
  log: Logger;
}): Component {
  const { environment, datastore, kubernetes, ipam, kernel, felix, pools } = parts;
  const log = parts.log.child({ component: 'cni' });
  let server: { stop(): Promise<void> } | undefined;
  return {
    name: 'CNI server',
    async start() {
      const handler = createCniHandler({
        nodeName: environment.nodeName,
        client: datastore.client,
        datastoreType: datastore.type,
        kubernetes,
        ipam,
        kernel,
        openKernel: namespace => openKernel({ namespace }),
        openNamespace,
        felix,
        mtu: () => defaultPodMtu(kernel, environment.address, pools.pools),
        mtuFile: join(environment.libFolder, 'mtu'),
        clock: systemClock,
        random: systemRandom,
        log,
      });
      server = await startCniServer({ socketPath: join(environment.runFolder, 'cni.sock'), handler, log });
    },
    async stop() {
      await server?.stop();
    },
  };
}
