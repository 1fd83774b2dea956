import { existsSync } from 'node:fs';
import { Node } from '@calico/api';
import type { Client } from '@calico/datastore';
import type { Ipam } from '@calico/ipam';
import type { Kernel } from '@calico/kernel';
import { openKernel } from '@calico/kernel/linux';
import { hostInterfaces, kubernetesNodes, type NodeStore, type StartupDeps, storedNodes } from '@calico/node';
import { type Logger, systemClock, systemRandom } from '@calico/process';
import { type Environment, environmentConfig } from '../datastore/config.ts';
import { felixDatastoreConfig } from '../datastore/felix-config.ts';
import { type Datastore, openDatastore, openKubernetesBeside } from '../datastore/open.ts';
import { version } from '../version.ts';
import { type NodeEnvironment, readNodeEnvironment } from './environment.ts';
import { localParameters } from './felix-sources.ts';
import { reach } from './reach.ts';

/** The edges that the programs of a node work on, open. */
export interface OpenNode {
  readonly env: Environment;
  readonly environment: NodeEnvironment;
  readonly datastore: Datastore;
  /** Kubernetes' own objects; undefined where the node is part of no Kubernetes. */
  readonly kubernetes: Client | undefined;
  readonly nodes: NodeStore;
  readonly kernel: Kernel;
  readonly log: Logger;
  close(): void;
}

/**
 * Opens what the environment names, and gives the kernel as `wrapKernel` makes it. No connection is made yet. Rejects with an
 * Error that names the variable.
 */
export async function openNode(
  env: Environment,
  log: Logger,
  wrapKernel: (kernel: Kernel) => Kernel = kernel => kernel,
): Promise<OpenNode> {
  const environment = readNodeEnvironment(env);
  const options = { env, clock: systemClock, random: systemRandom, log };
  const config = felixDatastoreConfig(environmentConfig(env), localParameters(env));
  const datastore = await openDatastore(config, options);
  const kubernetes = await openKubernetesBeside(datastore, config, options);
  const kernel = wrapKernel(openKernel());
  return {
    env,
    environment,
    datastore,
    kubernetes,
    nodes: datastore.type === 'kubernetes' ? kubernetesNodes(datastore.client) : storedNodes(datastore.client),
    kernel,
    log,
    close() {
      kernel.close();
      datastore.close();
    },
  };
}

/** What starting this node, and watching its addresses, works with. */
export function startupDeps(node: OpenNode, ipam: Pick<Ipam, 'upgradeNode'>, signal?: AbortSignal): StartupDeps {
  const { environment, datastore, kubernetes, nodes, kernel, log } = node;
  return {
    client: datastore.client,
    kubernetes,
    nodes,
    ipam,
    surroundings: async () => ({
      interfaces: hostInterfaces(kernel),
      internalIps: () => internalIps(kubernetes, environment.kubernetesNodeName),
      reach,
    }),
    hostAddresses: () => kernel.addresses().map(({ address }) => address.addr),
    hostHasIpv6: () => existsSync('/proc/sys/net/ipv6'),
    version,
    clock: systemClock,
    random: systemRandom,
    log,
    ...(signal === undefined ? {} : { signal }),
  };
}

async function internalIps(kubernetes: Client | undefined, name: string): Promise<string[] | undefined> {
  if (kubernetes === undefined) return undefined;
  const { status } = await kubernetes.get(Node, { name });
  return (status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' && address ? [address] : []));
}
