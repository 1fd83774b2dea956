import type { Namespace as KubernetesNamespace, Pod, WorkloadEndpoint } from '@calico/api';
import type { Client } from '@calico/datastore';
import type { Kernel, Namespace } from '@calico/kernel';
import type { Clock, Random } from '@calico/reconcile';
import type { PodName } from './container-args.ts';
import type { CniIpam } from './ipam.ts';
import type { LateWork } from './late-work.ts';

/** Where the server says what it does. The logger of `process` is one. */
export interface CniLog {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** How long `policy_setup_timeout_seconds` has the pod wait for its rules, and where Felix notes that they are there. */
export interface PolicyWait {
  readonly timeoutMs: number;
  readonly statusFolder: string;
}

/** What the CNI server needs of Felix. */
export interface CniFelix {
  /**
   * Resolves when the endpoint's own rules and routes are in the kernel, or the time to wait for them is over; rejects when
   * the kernel refuses them.
   */
  endpointAdded(endpoint: WorkloadEndpoint, wait: PolicyWait | undefined): Promise<void>;
  /**
   * Takes the endpoint's rules and routes out of the kernel; one that is not there is no error. `containerId` given: not if
   * another container has been given to `endpointAdded` since.
   */
  endpointRemoved(endpoint: Pick<WorkloadEndpoint, 'metadata'>, containerId?: string): Promise<void>;
  /** What the datastore says of the endpoint counts from now on, as this could not be noted there. */
  endpointNotNoted(endpoint: WorkloadEndpoint): void;
  /** Why the rules of a workload's interface are not in force, in words; undefined when they are, or nobody here can tell. */
  interfaceProblem(hostName: string): string | undefined;
}

/** A pod as a watch shows it at this moment. */
export interface SeenPod {
  readonly pod: Pod;
  readonly namespace: Pick<KubernetesNamespace, 'metadata'>;
}

/** What the CNI handler works with. */
export interface CniDeps {
  readonly nodeName: string;
  /** Calico's datastore. */
  readonly client: Client;
  /** What it is. In `kubernetes` an endpoint is noted in its pod's status, in `etcdv3` it is a WorkloadEndpoint. */
  readonly datastoreType: 'kubernetes' | 'etcdv3';
  /** The API of Kubernetes, for pods, namespaces and nodes; undefined where there is none. */
  readonly kubernetes: Client | undefined;
  /** What a watch or an earlier read says of ClusterInformation's datastoreReady; undefined, or without it, the datastore is asked. */
  datastoreReady?(): boolean | Promise<boolean> | undefined;
  /** What a watch shows of a pod of this node, with its namespace; undefined, or without it, the API is asked. */
  seenPod?(pod: PodName): SeenPod | undefined;
  readonly ipam: CniIpam;
  /** Of the node's own namespace. */
  readonly kernel: Kernel;
  openKernel(namespace: Namespace): Kernel;
  openNamespace(path: string): Namespace;
  readonly felix: CniFelix;
  /** The MTU for pods where the configuration gives none, in bytes. */
  mtu(): number;
  /** The file that says so to others; `require_mtu_file` asks for it. */
  readonly mtuFile: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: CniLog;
  /**
   * Where work goes that an answer need not wait for: noting a pod's address, which the kubelet will note too. Without it, as
   * in a plugin whose process ends with its answer, everything is waited for.
   */
  readonly late?: LateWork;
  /** Told which part of a call has just been done: `ADD veth`, `DEL ipam` … Tests end the process there. */
  onPhase?(phase: string): void;
}
