import type { WorkloadEndpoint } from '@calico/api';
import type { Client } from '@calico/datastore';
import type { Kernel, Namespace } from '@calico/kernel';
import type { Clock, Random } from '@calico/reconcile';
import type { CniIpam } from './ipam.ts';

/** Where the server says what it does. The logger of `process` is one. */
export interface CniLog {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What the CNI server needs of Felix. */
export interface CniFelix {
  /** Resolves when the endpoint's own rules and routes are in the kernel; rejects when the kernel refuses them. */
  endpointAdded(endpoint: WorkloadEndpoint): Promise<void>;
  /** Takes the endpoint's rules and routes out of the kernel; one that is not there is no error. */
  endpointRemoved(endpoint: Pick<WorkloadEndpoint, 'metadata'>): Promise<void>;
}

/** What the CNI handler works with. */
export interface CniDeps {
  readonly nodeName: string;
  readonly client: Client;
  readonly ipam: CniIpam;
  /** Of the node's own namespace. */
  readonly kernel: Kernel;
  openKernel(namespace: Namespace): Kernel;
  openNamespace(path: string): Namespace;
  readonly felix: CniFelix;
  /** The MTU for pods where the configuration gives none, in bytes. */
  mtu(): number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: CniLog;
}
