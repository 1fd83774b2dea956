import { isDeepStrictEqual } from 'node:util';
import {
  type Component,
  type HealthAggregator,
  type HttpServer,
  type ListenOptions,
  type Logger,
  metricsServer,
} from '@calico/process';
import type { Clock, Timer } from '@calico/reconcile';
import { asksForTls, type MetricsTlsConfig, readMetricsTls } from './metrics-tls.ts';
import { type MovableServer, movableServer } from './movable-server.ts';

/** Where and how metrics are served. */
export interface MetricsConfig extends MetricsTlsConfig {
  readonly metricsEnabled: boolean;
  readonly metricsHost: string;
  readonly metricsPort: number;
}

export interface MetricsPageOptions {
  readonly registry: { readonly contentType: string; metrics(): Promise<string> };
  readonly health: HealthAggregator;
  readonly clock: Pick<Clock, 'setInterval'>;
  readonly log: Logger;
  /** Opens the server; tests put another in its place. */
  readonly open?: (options: ListenOptions) => HttpServer;
}

const reporter = 'Metrics';
/** How often files of TLS are looked at, in milliseconds. */
const lookInterval = 2_000;

/**
 * The metrics of the agent on their port. Where TLS is asked for and its files are not good they are not served, and the log
 * and readiness say why. Files that are renewed are taken up; while what is new is not good, what was good before stays.
 */
export class MetricsPage implements Component {
  readonly name = 'metrics server';
  readonly #options: MetricsPageOptions;
  readonly #server: MovableServer;
  #config: MetricsConfig;
  /** Where metrics are to be served now; undefined: nowhere. */
  #at: ListenOptions | undefined;
  /** What is wrong with the files of TLS. */
  #problem: string | undefined;
  #reports = false;
  #timer: Timer | undefined;

  constructor(config: MetricsConfig, options: MetricsPageOptions) {
    this.#config = config;
    this.#options = options;
    this.#look();
    const open = options.open ?? (to => metricsServer(to, options.registry));
    this.#server = movableServer(this.name, this.#at, open, options.log);
  }

  async start(): Promise<void> {
    await this.#server.start();
    this.#timer = this.#options.clock.setInterval(() => {
      if (this.#usesTls) this.#lookAgain();
    }, lookInterval);
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#server.stop();
  }

  /** Metrics are served as this says from now on. */
  follow(config: MetricsConfig): void {
    // Nobody who asks for other certificates is served by the ones before where the new ones fail.
    if (!isDeepStrictEqual(tlsOf(config), tlsOf(this.#config))) this.#at = undefined;
    this.#config = config;
    this.#look();
    this.#server.listen(this.#at);
  }

  /** Resolves once all that was asked for so far is so. */
  get settled(): Promise<void> {
    return this.#server.settled;
  }

  get #usesTls(): boolean {
    return this.#config.metricsEnabled && asksForTls(this.#config);
  }

  #lookAgain(): void {
    const before = this.#at;
    this.#look();
    if (!isDeepStrictEqual(before, this.#at)) this.#server.listen(this.#at);
  }

  /** Finds out where metrics are to be served, and tells of what stands in the way. */
  #look(): void {
    const { metricsEnabled, metricsHost: host, metricsPort: port } = this.#config;
    const before = this.#problem;
    this.#problem = undefined;
    if (!metricsEnabled) this.#at = undefined;
    else if (!this.#usesTls) this.#at = { host, port };
    else {
      try {
        this.#at = { host, port, tls: readMetricsTls(this.#config) };
      } catch (error) {
        this.#problem = error instanceof Error ? error.message : String(error);
        if (this.#at !== undefined) this.#at = { ...this.#at, host, port };
      }
    }
    this.#tell(before);
  }

  #tell(before: string | undefined): void {
    const { health, log } = this.#options;
    const problem = this.#problem;
    const served = this.#at !== undefined;
    if (problem !== before) {
      if (problem !== undefined) log.error({ served }, problem);
      else if (this.#usesTls) log.info('The files that metrics are served with are good again');
    }
    if (!this.#reports && !this.#usesTls) return;
    if (!this.#reports) health.register({ name: reporter });
    this.#reports = true;
    const detail = problem === undefined ? '' : served ? `${problem}; what was read before is in use` : problem;
    health.report(reporter, { live: true, ready: problem === undefined || served, detail });
  }
}

function tlsOf({ metricsCertFile, metricsKeyFile, metricsCaFile, metricsClientAuth }: MetricsConfig): MetricsTlsConfig {
  return { metricsCertFile, metricsKeyFile, metricsCaFile, metricsClientAuth };
}
