import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../datastore/config.ts';

/** What the programs of a node are told by their environment, by Calico's names. */
export interface NodeEnvironment {
  /** NODENAME, the nodename file, HOSTNAME, or the host's name in lower case. */
  readonly nodeName: string;
  /** What Kubernetes calls the node: CALICO_K8S_NODE_REF, else the same. */
  readonly kubernetesNodeName: string;
  /** CALICO_NETWORKING_BACKEND: whether BIRD runs. */
  readonly bird: boolean;
  /** Whether Calico does more than policy: any backend but `none`. */
  readonly networking: boolean;
  /** CALICO_ROUTER_ID: an address, or `hash`. */
  readonly routerId: string | undefined;
  /** Where sockets live: CALICO_RUN_DIR. */
  readonly runFolder: string;
  /** Where state outlives a restart: CALICO_LIB_DIR. */
  readonly libFolder: string;
  /** CALICO_NODENAME_FILE: where the node's name is kept, which the CNI plugin waits for. */
  readonly nodenameFile: string;
  /** CALICO_SHUTDOWN_TIMESTAMP_FILE: since when the node is shut down. */
  readonly shutdownFile: string;
}

/** Reads the environment of a node's programs. Throws where a value is not one of those allowed. */
export function readNodeEnvironment(env: Environment): NodeEnvironment {
  const libFolder = env.CALICO_LIB_DIR ?? '/var/lib/calico';
  const nodenameFile = env.CALICO_NODENAME_FILE || join(libFolder, 'nodename');
  const backend = env.CALICO_NETWORKING_BACKEND || 'bird';
  if (!['bird', 'vxlan', 'none'].includes(backend)) {
    throw new Error(`Cannot start: CALICO_NETWORKING_BACKEND is "${backend}"; allowed: bird, vxlan, none`);
  }
  const nodeName =
    env.NODENAME?.trim() || nodeNameFromFile(nodenameFile) || (env.HOSTNAME?.trim() || hostname()).toLowerCase();
  return {
    nodeName,
    kubernetesNodeName: env.CALICO_K8S_NODE_REF || nodeName,
    bird: backend === 'bird',
    networking: backend !== 'none',
    routerId: env.CALICO_ROUTER_ID || undefined,
    runFolder: env.CALICO_RUN_DIR ?? '/var/run/calico',
    libFolder,
    nodenameFile,
    shutdownFile: env.CALICO_SHUTDOWN_TIMESTAMP_FILE || join(libFolder, 'shutdownTS'),
  };
}

function nodeNameFromFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
