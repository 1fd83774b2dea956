import type { EndpointKey } from '@calico/api';
import type { EndpointId } from '@calico/calc';
import { RepeatedWork } from '@calico/node';
import type { Component, Logger } from '@calico/process';
import type { Clock, Random } from '@calico/reconcile';
import type { StatusValues } from '../datastore/open.ts';
import type { EndpointStatus, StatusListener } from './endpoint-statuses.ts';
import type { AgentConfig } from './felix-config.ts';

/** What of Felix's parameters status reports follow. */
export type ReportConfig = Pick<
  AgentConfig,
  'endpointReporting' | 'endpointReportingDelay' | 'reportingInterval' | 'reportingTtl' | 'openstackRegion'
>;

/** What status reports are written with. */
export interface StatusReportsOptions {
  readonly nodeName: string;
  readonly values: StatusValues;
  readonly config: ReportConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const delays = { base: 500, max: 30_000 };
/** Calico's first report of the process, in ms after the start. */
const firstReport = 10_000;
/** After so many delays all keys are read again, as others may have changed them. */
const roundsToLook = 180;

/**
 * Felix's status in etcd, by Calico's keys below `/calico/felix/v2/<region>/host/<node>/`: that it lives, in `status` (which goes
 * when it is not renewed) and `last_reported_status`, and where it is asked for, whether each pod is up.
 */
export class StatusReports implements StatusListener, Component {
  readonly name = 'status reports to etcd';
  readonly #options: StatusReportsOptions;
  #config: ReportConfig;
  readonly #endpoints: RepeatedWork;
  readonly #process: RepeatedWork;
  readonly #wanted = new Map<EndpointId, { readonly key: EndpointKey; readonly value: string }>();
  /** What etcd has below the prefix that was read; undefined where that is not known. */
  #stored: { readonly prefix: string; readonly values: Map<string, string> } | undefined;
  #storedAt = 0;
  #inSync = false;
  /** A round is to come that changes wait for. */
  #asked = false;
  #startedAt = 0;
  #reported = false;

  constructor(options: StatusReportsOptions) {
    const { clock, random, log, config } = options;
    this.#options = options;
    this.#config = config;
    this.#endpoints = new RepeatedWork({
      ...{ clock, random, delays },
      work: signal => this.#reportEndpoints(signal),
      onRound: failure => {
        if (failure === undefined) return this.#endpoints.askIn(this.#lookDelay);
        // What was under way may have been done.
        this.#stored = undefined;
        log.warn({ err: failure.error, retryMs: failure.retryMs }, 'The status of endpoints could not be reported');
      },
    });
    this.#process = new RepeatedWork({
      ...{ clock, random, delays },
      work: () => this.#reportProcess(),
      onRound: failure => {
        if (failure === undefined) return this.#reportLater(this.#config.reportingInterval);
        log.warn({ err: failure.error, retryMs: failure.retryMs }, 'The status of Felix could not be reported');
      },
    });
  }

  changed(id: EndpointId, status: EndpointStatus | undefined): void {
    const key = status?.endpoint.key;
    if (status === undefined || key === undefined) this.#wanted.delete(id);
    else this.#wanted.set(id, { key, value: JSON.stringify({ status: status.up ? 'up' : 'down' }) });
    this.#ask();
  }

  inSync(): void {
    this.#inSync = true;
    this.#ask();
  }

  /** Parameters are these from now on. */
  setConfig(config: ReportConfig): void {
    const before = this.#config;
    this.#config = config;
    if (config.endpointReporting !== before.endpointReporting) this.#ask();
    if (config.reportingInterval !== before.reportingInterval) this.#reportLater(config.reportingInterval);
  }

  start(): void {
    this.#startedAt = this.#options.clock.now();
    this.#reportLater(Math.min(firstReport, this.#config.reportingInterval));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#endpoints.stop(), this.#process.stop()]);
  }

  get #host(): string {
    const { openstackRegion } = this.#config;
    const region = openstackRegion === '' ? 'no-region' : `region-${openstackRegion}`;
    return `/calico/felix/v2/${region}/host/${this.#options.nodeName}`;
  }

  get #lookDelay(): number {
    return Math.max(1_000, this.#config.endpointReportingDelay * roundsToLook);
  }

  /** Changes within the delay are written together. */
  #ask(): void {
    if (!this.#inSync || !this.#config.endpointReporting || this.#asked) return;
    this.#asked = true;
    this.#endpoints.askIn(this.#config.endpointReportingDelay);
  }

  #reportLater(ms: number): void {
    if (this.#config.reportingInterval > 0) this.#process.askIn(ms);
  }

  async #reportEndpoints(signal: AbortSignal): Promise<void> {
    this.#asked = false;
    if (!this.#config.endpointReporting) return;
    const { values, clock } = this.#options;
    const prefix = `${this.#host}/workload/`;
    if (this.#stored?.prefix !== prefix || clock.now() - this.#storedAt >= this.#lookDelay) {
      this.#stored = { prefix, values: await values.list(prefix) };
      this.#storedAt = clock.now();
    }
    const stored = this.#stored.values;
    const wanted = new Map(Array.from(this.#wanted.values(), ({ key, value }) => [prefix + pathOf(key), value]));
    for (const key of [...stored.keys()]) {
      if (signal.aborted) return;
      if (wanted.has(key)) continue;
      await values.delete(key);
      stored.delete(key);
    }
    for (const [key, value] of wanted) {
      if (signal.aborted) return;
      if (stored.get(key) === value) continue;
      await values.put(key, value);
      stored.set(key, value);
    }
  }

  async #reportProcess(): Promise<void> {
    const { values, clock } = this.#options;
    const { reportingInterval, reportingTtl } = this.#config;
    if (reportingInterval === 0) return;
    const report = JSON.stringify({
      time: `${new Date(clock.wallTime()).toISOString().slice(0, 19)}Z`,
      uptime: (clock.now() - this.#startedAt) / 1000,
      first_update: !this.#reported,
    });
    await values.put(`${this.#host}/status`, report, reportingTtl === 0 ? {} : { ttlSeconds: reportingTtl / 1000 });
    this.#reported = true;
    await values.put(`${this.#host}/last_reported_status`, report);
  }
}

/** The end of an endpoint's key: `k8s/shop%2fweb/endpoint/eth0`, escaped as Calico does in etcd. */
function pathOf({ orchestrator, workload, endpoint }: EndpointKey): string {
  const escaped = (text: string) => text.replaceAll('%', '%25').replaceAll('/', '%2f');
  return `${escaped(orchestrator)}/${escaped(workload)}/endpoint/${escaped(endpoint)}`;
}
