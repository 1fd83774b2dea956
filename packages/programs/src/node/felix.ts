import type { ResourceUpdate, WorkloadEndpoint } from '@calico/api';
import { CalcGraph, type Message } from '@calico/calc';
import { Dataplane, type DataplaneConfig, dataplaneConfigFrom } from '@calico/dataplane';
import type { Kernel, KernelEvent, Subscription } from '@calico/kernel';
import type { HealthAggregator, Logger } from '@calico/process';
import { type Backoff, backoff, type Clock, type Random, type Timer } from '@calico/reconcile';
import type { FelixMetrics } from './felix-metrics.ts';
import { PacketLog } from './packet-log.ts';

/** What Felix works with. */
export interface FelixOptions {
  readonly nodeName: string;
  readonly kernel: Kernel;
  /** Parameters from the environment, which beat the datastore's. */
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly health: HealthAggregator;
  readonly metrics: FelixMetrics;
  /** A parameter that is read only at the start has changed: the process has to start again. */
  restart(reason: string): void;
}

/** How often everything is compared with the kernel, in milliseconds: Felix's RouteRefreshInterval. */
const resyncInterval = 90_000;
/** How long connections of addresses that nobody has may stay, in milliseconds. */
const forgetDelay = 250;
const calcReporter = 'CalculationGraph';
const dataplaneReporter = 'InternalDataplaneMainLoop';

/**
 * Policy and routes of one node: what the syncer and the CNI server say goes through the calculation into the kernel,
 * in one synchronous step each. A write that the kernel refuses is tried again with growing delays.
 */
export class Felix {
  readonly #options: FelixOptions;
  readonly #calc: CalcGraph;
  readonly #retry: Backoff;
  /** Endpoints as the CNI server made them, until the watch shows them too. */
  readonly #fromCni = new Map<string, WorkloadEndpoint>();
  #dataplane: Dataplane | undefined;
  #config: DataplaneConfig | undefined;
  #retryTimer: Timer | undefined;
  #resyncTimer: Timer | undefined;
  #forgetTimer: Timer | undefined;
  #subscription: Subscription | undefined;
  #packetLog: PacketLog | undefined;
  /** Of the policies in force, for the lines of the packet log. */
  readonly #tiers = new Map<string, string>();
  readonly #ready = Promise.withResolvers<void>();

  constructor(options: FelixOptions) {
    this.#options = options;
    this.#calc = new CalcGraph({ nodeName: options.nodeName });
    this.#retry = backoff({ base: 20, max: 5_000, factor: 2, jitter: 0.3 }, options.random);
    options.health.register({ name: calcReporter });
    options.health.register({ name: dataplaneReporter });
    options.health.report(calcReporter, {
      live: true,
      ready: false,
      detail: 'waiting for the first view of the cluster',
    });
    options.health.report(dataplaneReporter, { live: true, ready: false, detail: 'nothing is written yet' });
  }

  /** Resolves once the first view of the cluster is in the kernel. */
  get whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  /** Starts to listen to the kernel. */
  start(): void {
    this.#subscription = this.#options.kernel.subscribe(['link'], event => this.#onKernelEvent(event));
    this.#resyncTimer = this.#options.clock.setInterval(() => {
      this.#dataplane?.resync();
      this.#write();
    }, resyncInterval);
  }

  /** Stops listening and writing. What is in the kernel stays in force. */
  stop(): void {
    this.#subscription?.close();
    this.#resyncTimer?.cancel();
    this.#retryTimer?.cancel();
    this.#forgetTimer?.cancel();
    this.#packetLog?.close();
  }

  /** Takes changes of the cluster in and writes what follows from them. */
  onUpdates(updates: readonly ResourceUpdate[]): void {
    for (const update of updates) {
      if (update.kind === 'WorkloadEndpoint' && this.#isOlderThanCni(update)) continue;
      this.#calc.update(update);
    }
    this.#step();
  }

  /** The whole cluster has been seen once. */
  onInSync(): void {
    this.#calc.inSync();
    this.#options.health.report(calcReporter, { live: true, ready: true });
    this.#options.metrics.resyncState.set(3);
    this.#step();
  }

  /**
   * Takes in an endpoint of this node from the request that makes it, and resolves when its rules and routes are in the
   * kernel. Rejects when the kernel refuses them: then the pod must not start.
   */
  async endpointAdded(endpoint: WorkloadEndpoint): Promise<void> {
    await this.whenReady;
    this.#fromCni.set(keyOfEndpoint(endpoint), endpoint);
    this.#calc.update({ kind: 'WorkloadEndpoint', ...nameOf(endpoint), resource: endpoint });
    this.#step();
    if (this.#retryTimer !== undefined) {
      throw new Error(
        `Rules and routes of ${endpoint.metadata.name} are not in the kernel yet; the cause is in the log`,
      );
    }
  }

  /** Takes an endpoint of this node out. */
  async endpointRemoved(endpoint: Pick<WorkloadEndpoint, 'metadata'>): Promise<void> {
    this.#fromCni.delete(keyOfEndpoint(endpoint));
    this.#calc.update({ kind: 'WorkloadEndpoint', ...nameOf(endpoint), resource: undefined });
    this.#step();
  }

  /** Why the rules of a workload's interface are not in force, in words; undefined when they are. */
  interfaceProblem(hostName: string): string | undefined {
    if (this.#retryTimer !== undefined) return 'the kernel refuses changes of the rules; the cause is in the log';
    return this.#dataplane === undefined
      ? 'the whole cluster has not been seen yet'
      : this.#dataplane.interfaceProblem(hostName);
  }

  /** An answer of the watch from before the pod's addresses were written must not take the endpoint away again. */
  #isOlderThanCni({ namespace, name, resource }: ResourceUpdate): boolean {
    const key = `${namespace}/${name}`;
    const own = this.#fromCni.get(key);
    if (own === undefined) return false;
    const seen = resource as WorkloadEndpoint | undefined;
    const older = seen !== undefined && seen.spec.containerID !== own.spec.containerID;
    if (!older) this.#fromCni.delete(key);
    return older;
  }

  #step(): void {
    const started = this.#options.clock.now();
    const messages = this.#calc.flush();
    if (messages.length === 0) return;
    this.#configure(messages);
    this.#keepTiers(messages);
    this.#dataplane?.handle(messages);
    this.#write();
    this.#options.metrics.applyTime.observe((this.#options.clock.now() - started) / 1000);
  }

  /** The first configuration makes the dataplane; a later one that differs needs another process. */
  #configure(messages: readonly Message[]): void {
    const update = messages.findLast(message => message.kind === 'configUpdate');
    if (update === undefined) return;
    const { nodeName, environment, kernel, clock, random, log, metrics, restart } = this.#options;
    const { config, ignored } = dataplaneConfigFrom(nodeName, { ...update.config, ...environment });
    for (const parameter of ignored) log.warn({ parameter }, 'Felix parameter is not valid; its default holds');
    if (this.#config === undefined) {
      this.#config = config;
      this.#dataplane = new Dataplane(kernel, config);
      this.#packetLog = new PacketLog({
        ...{ kernel, clock, random, log, dropped: metrics.droppedPacketLines },
        prefix: config.logPrefix,
        tierOf: policy => this.#tiers.get(policy),
      });
    } else if (JSON.stringify(config) !== JSON.stringify(this.#config)) {
      restart('a Felix parameter has changed');
    }
  }

  #keepTiers(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.kind === 'policyUpdate') this.#tiers.set(message.policy.id, message.policy.tier);
      else if (message.kind === 'policyRemove') this.#tiers.delete(message.id);
    }
  }

  #write(): void {
    const dataplane = this.#dataplane;
    if (dataplane === undefined) return;
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
    try {
      const applied = dataplane.apply();
      this.#retry.reset();
      if (!dataplane.inSync) return;
      this.#options.health.report(dataplaneReporter, { live: true, ready: true });
      this.#ready.resolve();
      this.#options.log.debug({ ...applied }, 'Wrote to the kernel');
      this.#forgetConnectionsSoon();
    } catch (error) {
      const delay = this.#retry.next();
      const detail = error instanceof Error ? error.message : String(error);
      this.#options.log.error({ err: error, retryMs: delay }, 'Kernel refused a change; trying again');
      this.#options.metrics.failures.inc();
      this.#options.health.report(dataplaneReporter, { live: true, ready: false, detail });
      this.#retryTimer = this.#options.clock.setTimeout(() => this.#write(), delay);
    }
  }

  /** Later, for several pods together: whoever waits for the rules is answered first. */
  #forgetConnectionsSoon(): void {
    const { clock, log } = this.#options;
    if (this.#forgetTimer !== undefined || !this.#dataplane?.hasStaleConnections) return;
    this.#forgetTimer = clock.setTimeout(() => {
      this.#forgetTimer = undefined;
      try {
        this.#dataplane?.forgetConnections();
      } catch (err) {
        log.warn(
          { err },
          'Connections of addresses that have gone could not be forgotten; trying with the next change',
        );
      }
    }, forgetDelay);
  }

  #onKernelEvent(event: KernelEvent): void {
    this.#dataplane?.handleEvent(event);
    this.#write();
  }
}

function nameOf(endpoint: Pick<WorkloadEndpoint, 'metadata'>): { namespace: string; name: string } {
  return { namespace: endpoint.metadata.namespace ?? 'default', name: endpoint.metadata.name };
}

function keyOfEndpoint(endpoint: Pick<WorkloadEndpoint, 'metadata'>): string {
  const { namespace, name } = nameOf(endpoint);
  return `${namespace}/${name}`;
}
