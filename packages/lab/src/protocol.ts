import type { LogLevel } from '@calico/process';
import type { LabPlan } from './plan.ts';
import type { TcpFate } from './tcp-probe.ts';

/** Folder inside the lab's private /run where the nodes keep their sockets. */
export const runFolder = '/run/calico-lab';

/** What the supervisor tells the inner half to build. */
export interface InnerSetup {
  readonly plan: LabPlan;
  /** The lab's folder, seen by both halves: the API server's socket, kubeconfigs, logs. */
  readonly folder: string;
  /** The executable that everything runs from. */
  readonly executable: string;
  /** Whether BIRD runs beside the agents. */
  readonly bird: boolean;
  readonly logLevel: LogLevel;
}

/** Where a probe starts: a pod `namespace/name`, or the machine outside. */
export type ProbeSource = { readonly pod: string } | { readonly machine: string };

/** One connection to try. */
export interface ProbeRequest {
  readonly from: ProbeSource;
  readonly address: string;
  readonly port: number;
}

/** What the inner half knows of a running pod. */
export interface PodReport {
  readonly key: string;
  readonly node: string;
  readonly ips: readonly string[];
  readonly netns: string;
  readonly addMs: number;
}

/** What the supervisor can ask of the inner half. */
export interface InnerMethods {
  setUp(params: InnerSetup): Promise<void>;
  pods(): PodReport[];
  probe(params: { readonly probes: readonly ProbeRequest[]; readonly timeoutMs: number }): Promise<TcpFate[]>;
  /** Readiness of every node agent: HTTP status and text. */
  readiness(): Promise<
    { readonly node: string; readonly status: number; readonly text: string; readonly ms: number }[]
  >;
  /** Agent facts for the report: resident memory in bytes, milliseconds from start to ready. */
  agents(): Promise<{ readonly node: string; readonly rssBytes: number; readonly readyMs: number | undefined }[]>;
  /** Calls the CNI plugin for pods that no kubelet manages: ADD for all, then DEL for all. Milliseconds of each call. */
  cniTimes(params: {
    readonly node: string;
    readonly pods: readonly { readonly namespace: string; readonly name: string; readonly uid: string }[];
    readonly concurrency: number;
  }): Promise<{ readonly addMs: number[]; readonly delMs: number[]; readonly addWallMs: number }>;
  /** Watches packets between two pods of one node until they meet the fate: wall time in ms. Resolves `watching` first. */
  watchFate(params: {
    readonly from: string;
    readonly to: string;
    readonly port: number;
    readonly fate: 'open' | 'closed';
  }): Promise<number>;
  /** Kills a node's agent; gives the milliseconds from its new start to its readiness. */
  restartAgent(params: { readonly node: string }): Promise<number>;
}

/** What the inner half tells the supervisor. */
export interface OuterMethods {
  progress(params: { readonly text: string }): void;
  /** The probe of `watchFate` has seen the opposite fate: now is the time for the change. */
  watching(): void;
}
