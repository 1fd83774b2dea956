import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** What the node agent is told by its environment, by Calico's names. */
export interface NodeEnvironment {
  /** NODENAME, the nodename file, HOSTNAME, or the host's name in lower case. */
  readonly nodeName: string;
  /** IP: this node's address with its length, for routes and BGP. */
  readonly address: string | undefined;
  /** CALICO_NETWORKING_BACKEND: whether BIRD runs. */
  readonly bird: boolean;
  /** CALICO_ROUTER_ID: an address, or `hash`. */
  readonly routerId: string | undefined;
  /** Where sockets live: CALICO_RUN_DIR. */
  readonly runFolder: string;
  /** Where state outlives a restart: CALICO_LIB_DIR. */
  readonly libFolder: string;
}

/** Reads the agent's environment. Throws where a value is not one of those allowed. */
export function readNodeEnvironment(env: Readonly<Record<string, string | undefined>>): NodeEnvironment {
  const libFolder = env.CALICO_LIB_DIR ?? '/var/lib/calico';
  const backend = env.CALICO_NETWORKING_BACKEND ?? 'bird';
  if (!['bird', 'vxlan', 'none'].includes(backend)) {
    throw new Error(`Cannot start: CALICO_NETWORKING_BACKEND is "${backend}"; allowed: bird, vxlan, none`);
  }
  return {
    nodeName:
      env.NODENAME ||
      nodeNameFromFile(env.CALICO_NODENAME_FILE ?? join(libFolder, 'nodename')) ||
      (env.HOSTNAME || hostname()).toLowerCase(),
    address: env.IP && env.IP !== 'autodetect' && env.IP !== 'none' ? env.IP : undefined,
    bird: backend === 'bird',
    routerId: env.CALICO_ROUTER_ID || undefined,
    runFolder: env.CALICO_RUN_DIR ?? '/var/run/calico',
    libFolder,
  };
}

function nodeNameFromFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
