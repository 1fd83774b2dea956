import type { ResourceUpdate, WorkloadEndpoint } from '@calico/api';
import { CalcGraph, type CalcOutput, type CalcSizes, type Message, mergeParameters } from '@calico/calc';
import { Dataplane, type DataplaneTables } from '@calico/dataplane';
import type { Kernel, KernelEvent, Subscription } from '@calico/kernel';
import type { HealthAggregator, Logger } from '@calico/process';
import type { Clock, Random, Timer } from '@calico/reconcile';
import { ClosedStart } from './closed-start.ts';
import { ConnectionCutter } from './connection-cutter.ts';
import { EndpointStatuses, type StatusListener } from './endpoint-statuses.ts';
import { type AgentConfig, felixSettings } from './felix-config.ts';
import { countBy, countMessages, type FelixMetrics } from './felix-metrics.ts';
import { FelixWork } from './felix-work.ts';
import { FelixWriter } from './felix-writer.ts';
import { ForeignChanges } from './foreign-changes.ts';
import { KernelDrift } from './kernel-drift.ts';
import { PacketLog } from './packet-log.ts';

/** What Felix works with. */
export interface FelixOptions {
  readonly nodeName: string;
  readonly kernel: Kernel;
  /** Raw parameters of this node itself, which beat the datastore's: `localParameters`. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly health: HealthAggregator;
  readonly metrics: FelixMetrics;
  /** Who is told how the pods of this node stand. */
  readonly statusListeners?: readonly StatusListener[];
  /** What the agent beside Felix is to follow is this now. */
  onConfig?(config: AgentConfig): void;
}

/** How long connections of addresses that nobody has may stay, in milliseconds. */
const forgetDelay = 250;
/** How long a new pod waits for its rules where those in the kernel keep it closed, in milliseconds. */
const patienceMs = 500;
/** How long after a refusal the kernel is asked again to tell of its links, in milliseconds. */
const listenDelay = 100;
const calcReporter = 'CalculationGraph';
const dataplaneReporter = 'InternalDataplaneMainLoop';
/** How long a report of the calculation holds, and how often reports are renewed, in milliseconds. */
const calcTimeout = 30_000;
const renewInterval = 5_000;

/**
 * Policy and routes of one node: what the syncer and the CNI server say goes through the calculation into the kernel, at once
 * where it is little, else in turns of the event loop.
 */
export class Felix {
  readonly #options: FelixOptions;
  readonly #calc: CalcGraph;
  readonly #work: FelixWork;
  /** Endpoints as the CNI server made them, until the watch shows them too. */
  readonly #fromCni = new Map<string, WorkloadEndpoint>();
  readonly #statuses: EndpointStatuses;
  #dataplane: Dataplane | undefined;
  #writer: FelixWriter | undefined;
  #config: AgentConfig;
  /** What was said of parameters that are not followed: once is enough. */
  readonly #noted = new Set<string>();
  /** Of the flush under way, which the dataplane is to see whole. */
  #messages: Message[] = [];
  /** The first write to the kernel has been done. */
  #applied = false;
  #renewTimer: Timer | undefined;
  #listenTimer: Timer | undefined;
  readonly #resyncTimers = new Map<'routes' | 'rules', Timer>();
  #forgetTimer: Timer | undefined;
  #eventTimer: Timer | undefined;
  #cutter: ConnectionCutter | undefined;
  #closedStart: ClosedStart | undefined;
  /** Whether pods without rules are closed since the first write began; undefined before. */
  #keptClosed: boolean | undefined;
  #subscription: Subscription | undefined;
  readonly #drift: KernelDrift;
  readonly #foreignChanges: ForeignChanges;
  #packetLog: PacketLog | undefined;
  /** Of the policies in force, for the lines of the packet log. */
  readonly #tiers = new Map<string, string>();
  readonly #ready = Promise.withResolvers<void>();

  constructor(options: FelixOptions) {
    this.#options = options;
    this.#config = felixSettings(options.nodeName, options.parameters).agent;
    this.#statuses = new EndpointStatuses(options.kernel, options.statusListeners ?? []);
    this.#calc = new CalcGraph({ nodeName: options.nodeName });
    this.#work = new FelixWork(this.#calc, options.clock, {
      onMessages: messages => {
        for (const message of messages) this.#messages.push(message);
        this.#configure(messages);
        this.#keepTiers(messages);
      },
      onFlushed: since => this.#onFlushed(since),
      isOutdated: update => update.kind === 'WorkloadEndpoint' && this.#isOlderThanCni(update),
    });
    this.#drift = new KernelDrift(options);
    this.#foreignChanges = new ForeignChanges(options, () => this.#writer?.resync('rules'));
    options.health.register({ name: calcReporter, timeoutMs: calcTimeout });
    options.health.register({ name: dataplaneReporter, timeoutMs: this.#config.dataplaneWatchdog });
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

  /** What the calculation has told: for tables and metrics. */
  get output(): CalcOutput {
    return this.#calc.output;
  }

  /** How much the cluster has, and what of it concerns this node. */
  get sizes(): CalcSizes {
    return this.#calc.sizes();
  }

  /** What the dataplane has made of it; undefined before the first view of the cluster. */
  get tables(): DataplaneTables | undefined {
    return this.#dataplane?.tables;
  }

  /** Starts to listen to the kernel. */
  start(): void {
    const { nodeName, kernel, parameters, log } = this.#options;
    this.#closedStart = new ClosedStart(kernel, felixSettings(nodeName, parameters).dataplane, log);
    this.#listen();
    const { clock, health } = this.#options;
    this.#renewTimer = clock.setInterval(() => {
      for (const reporter of [calcReporter, dataplaneReporter]) health.renew(reporter);
    }, renewInterval);
    this.#resyncEvery('routes', this.#config.routeRefreshInterval);
    this.#resyncEvery('rules', this.#config.rulesRefreshInterval);
  }

  /** A kernel that refuses to tell is asked again; what it has not told meanwhile is looked for then. */
  #listen(isLate = false): void {
    const { kernel, clock, log } = this.#options;
    try {
      this.#subscription = kernel.subscribe(['link'], event => this.#onKernelEvent(event));
      if (isLate) this.#onKernelEvent({ kind: 'overrun' });
    } catch (err) {
      log.warn({ err }, 'The kernel does not tell of its links; asking again');
      this.#listenTimer = clock.setTimeout(() => this.#listen(true), listenDelay);
    }
  }

  /** Stops listening and writing. What is in the kernel stays in force. */
  stop(): void {
    this.#work.stop();
    this.#listenTimer?.cancel();
    this.#subscription?.close();
    this.#foreignChanges.stop();
    this.#renewTimer?.cancel();
    for (const timer of this.#resyncTimers.values()) timer.cancel();
    this.#writer?.stop();
    this.#forgetTimer?.cancel();
    this.#eventTimer?.cancel();
    this.#cutter?.stop();
    this.#packetLog?.close();
  }

  /**
   * Takes changes of the cluster in and writes what follows from them. Gives a promise for the end of it when there is more
   * than one turn of the event loop can take.
   */
  onUpdates(updates: readonly ResourceUpdate[]): Promise<void> | undefined {
    const end = this.#work.add(updates);
    // After the work that somebody waits for, as all counting is.
    countBy(updates, ({ kind }) => kind, this.#options.metrics.updatesProcessed);
    return end;
  }

  /** The whole cluster has been seen once. */
  onInSync(): void {
    this.#work.add(['inSync']);
    this.#options.health.report(calcReporter, { live: true, ready: true });
  }

  /**
   * Takes in an endpoint of this node from the request that makes it, and resolves when its rules and routes are in the
   * kernel. Rejects when the kernel refuses them: then the pod must not start. While a large cluster is being seen for the
   * first time, or a large change is being written, it also resolves where what is in the kernel drops all packets of the
   * interface: the pod starts closed, and is opened with the rest.
   */
  async endpointAdded(endpoint: WorkloadEndpoint): Promise<void> {
    const { interfaceName = '' } = endpoint.spec;
    const known = await this.#inTime(this.whenReady, () => this.#isClosedAtStart(interfaceName));
    if (!known) this.#logClosed(endpoint, 'the whole cluster has not been seen yet');
    this.#fromCni.set(keyOfEndpoint(endpoint), endpoint);
    const taken = this.#work.request({ kind: 'WorkloadEndpoint', ...nameOf(endpoint), resource: endpoint });
    if (!known) return;
    const written = taken.then(() => this.#writer?.written);
    if (!(await this.#inTime(written, () => this.#dataplane?.isClosed(interfaceName) === true))) {
      this.#logClosed(endpoint, 'a large change is being written');
    } else if (this.#writer?.isRefused === true) {
      throw new Error(
        `Rules and routes of ${endpoint.metadata.name} are not in the kernel yet; the cause is in the log`,
      );
    }
  }

  /** Waits for the end; false when it takes long, and the pod is closed until then. */
  async #inTime(end: Promise<unknown>, isClosed: () => boolean): Promise<boolean> {
    const patience = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimeout(() => patience.resolve(), patienceMs);
    const inTime = await Promise.race([end.then(() => true), patience.promise.then(() => false)]);
    timer.cancel();
    if (!inTime && isClosed()) return false;
    await end;
    return true;
  }

  /** Whether a pod that has no rules yet is closed while the first view comes, or is being written. */
  #isClosedAtStart(interfaceName: string): boolean {
    if (this.#keptClosed === undefined) return this.#closedStart?.close() === true;
    return this.#keptClosed && this.#dataplane?.isClosed(interfaceName) === true;
  }

  #logClosed({ metadata }: WorkloadEndpoint, cause: string): void {
    this.#options.log.warn({ endpoint: metadata.name }, `Pod starts closed: ${cause}`);
  }

  /** Takes an endpoint of this node out; with `containerId` given not if it has come again with another container. */
  async endpointRemoved(endpoint: Pick<WorkloadEndpoint, 'metadata'>, containerId?: string): Promise<void> {
    const own = this.#fromCni.get(keyOfEndpoint(endpoint))?.spec.containerID;
    if (containerId !== undefined && own !== undefined && own !== containerId) return;
    this.#fromCni.delete(keyOfEndpoint(endpoint));
    await this.#work.request({ kind: 'WorkloadEndpoint', ...nameOf(endpoint), resource: undefined });
    await this.#writer?.written;
  }

  /** What the watch says of an endpoint counts again: what the CNI server made of it could not be noted in the datastore. */
  endpointNotNoted(endpoint: WorkloadEndpoint): void {
    const key = keyOfEndpoint(endpoint);
    if (this.#fromCni.get(key)?.spec.containerID === endpoint.spec.containerID) this.#fromCni.delete(key);
  }

  /** Why the rules of a workload's interface are not in force, in words; undefined when they are. */
  interfaceProblem(hostName: string): string | undefined {
    if (this.#writer?.isRefused === true) return 'the kernel refuses changes of the rules; the cause is in the log';
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

  #onFlushed(since: number): void {
    const messages = this.#messages;
    if (messages.length === 0) return;
    this.#messages = [];
    const { metrics, clock } = this.#options;
    const calculated = clock.now() - since;
    this.#dataplane?.handle(messages);
    this.#statuses.handle(messages);
    // Once the first write has begun, a table is there that leads nowhere before its end.
    this.#keptClosed ??= this.#closedStart?.close() === true;
    this.#writer?.write();
    metrics.updateTime.observe(calculated / 1000);
    metrics.messageBatch.observe(messages.length);
    countMessages(metrics, messages);
    void this.#writer?.written.then(() => metrics.changeTime.observe((clock.now() - since) / 1000));
  }

  /** Follows the newest configuration: the first makes the dataplane, a later one is written with what else has changed. */
  #configure(messages: readonly Message[]): void {
    const update = messages.findLast(message => message.kind === 'configUpdate');
    if (update === undefined) return;
    const { nodeName, parameters, kernel, clock, random, log, metrics } = this.#options;
    const settings = felixSettings(nodeName, mergeParameters(update.config, parameters));
    for (const note of settings.notes) {
      const text = JSON.stringify(note);
      if (!this.#noted.has(text)) log.warn({ ...note }, 'Felix parameter is not followed');
      this.#noted.add(text);
    }
    const before = this.#config;
    this.#config = settings.agent;
    if (this.#dataplane === undefined) {
      this.#dataplane = new Dataplane(kernel, settings.dataplane);
      this.#writer = this.#writerOf(this.#dataplane);
      this.#cutter = new ConnectionCutter(this.#dataplane, clock, log);
      this.#packetLog = new PacketLog({
        ...{ kernel, clock, random, log, dropped: metrics.droppedPacketLines },
        prefix: () => this.#config.logPrefix,
        limit: () => this.#config.logRate && { ...this.#config.logRate, burst: this.#config.logBurst },
        tierOf: policy => this.#tiers.get(policy),
      });
    } else this.#dataplane.reconfigure(settings.dataplane);
    const { routeRefreshInterval, rulesRefreshInterval } = settings.agent;
    if (routeRefreshInterval !== before.routeRefreshInterval) this.#resyncEvery('routes', routeRefreshInterval);
    if (rulesRefreshInterval !== before.rulesRefreshInterval) this.#resyncEvery('rules', rulesRefreshInterval);
    this.#options.onConfig?.(settings.agent);
  }

  #resyncEvery(what: 'routes' | 'rules', interval: number): void {
    this.#resyncTimers.get(what)?.cancel();
    this.#resyncTimers.delete(what);
    if (interval === 0) return;
    this.#resyncTimers.set(
      what,
      this.#options.clock.setInterval(() => this.#writer?.resync(what), interval),
    );
  }

  #keepTiers(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.kind === 'policyUpdate') this.#tiers.set(message.policy.id, message.policy.tier);
      else if (message.kind === 'policyRemove') this.#tiers.delete(message.id);
    }
  }

  #writerOf(dataplane: Dataplane): FelixWriter {
    const { clock, random, log, metrics, health } = this.#options;
    return new FelixWriter(dataplane, clock, random, {
      begun: () => this.#statuses.writing(),
      applied: (applied, begun) => {
        this.#countApply(begun);
        metrics.programsOverBudget.set(dataplane.programsOverBudget);
        if (!dataplane.inSync) return;
        health.report(dataplaneReporter, { live: true, ready: true });
        this.#statuses.written();
        this.#drift.written();
        this.#foreignChanges.written();
        this.#ready.resolve();
        log.debug({ ...applied }, 'Wrote to the kernel');
        this.#forgetConnectionsSoon();
        this.#cutter?.written();
      },
      refused: (err, retryMs) => {
        log.error({ err, retryMs }, 'Kernel refused a change; trying again');
        metrics.failures.inc();
        const detail = err instanceof Error ? err.message : String(err);
        health.report(dataplaneReporter, { live: true, ready: false, detail });
      },
      compared: (part, drift) => {
        if (drift > 0) log.warn({ part, drift }, 'The kernel was not as it should be; mending it');
        this.#drift.compared(part, drift);
      },
    });
  }

  #countApply(begun: number): void {
    const { clock, metrics } = this.#options;
    if (this.#dataplane?.inSync !== true) return;
    const seconds = (clock.now() - begun) / 1000;
    if (this.#applied) metrics.applyTime.observe(seconds);
    else metrics.initialResync.set(seconds);
    this.#applied = true;
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
    this.#options.metrics.interfaceBatch.observe(1);
    this.#dataplane?.handleEvent(event);
    if (event.kind === 'link') this.#statuses.linkChanged(event.link.name);
    // Several come with each pod: what follows from them is written once.
    this.#eventTimer ??= this.#options.clock.setTimeout(() => {
      this.#eventTimer = undefined;
      this.#writer?.write();
    }, 0);
  }
}

function nameOf(endpoint: Pick<WorkloadEndpoint, 'metadata'>): { namespace: string; name: string } {
  return { namespace: endpoint.metadata.namespace ?? 'default', name: endpoint.metadata.name };
}

function keyOfEndpoint(endpoint: Pick<WorkloadEndpoint, 'metadata'>): string {
  const { namespace, name } = nameOf(endpoint);
  return `${namespace}/${name}`;
}
