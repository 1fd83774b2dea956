import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { isNotFound } from '@calico/datastore';
import type { Ipam } from '@calico/ipam';
import {
  addressesOf,
  allocateTunnelAddresses,
  interferingManagers,
  isYes,
  type NodeLog,
  readAddressOptions,
  readStartupSettings,
  replaceFile,
  sameAddresses,
  settleAddresses,
  startNode,
  withAddresses,
} from '@calico/node';
import { systemClock } from '@calico/process';
import { type OpenNode, startupDeps } from './open-node.ts';

/**
 * Puts this node and what every cluster has into the datastore, then writes the file with the node's name, which CNI plugins
 * wait for. Idempotent. Rejects with NodeError where the node can't start as it is set up.
 */
export async function startThisNode(
  node: OpenNode,
  ipam: Pick<Ipam, 'upgradeNode'>,
  signal?: AbortSignal,
): Promise<void> {
  const { env, environment } = node;
  const { nodeName, runFolder, libFolder, nodenameFile } = environment;
  for (const folder of [runFolder, libFolder]) mkdirSync(folder, { recursive: true });
  await startNode(readStartupSettings(env, nodeName), startupDeps(node, ipam, signal));
  replaceFile(nodenameFile, nodeName, 0o644);
  // Its time tells health checks when this start was.
  const now = systemClock.wallTime() / 1000;
  utimesSync(nodenameFile, now, now);
}

/** Gives this node's tunnels their addresses, unless pods have theirs from the node's PodCIDR. */
export async function allocateTunnels(node: OpenNode, ipam: Ipam): Promise<void> {
  const { env, environment, nodes, log } = node;
  if (isYes(env.USE_POD_CIDR, false)) return;
  const hostEncryption = isYes(env.FELIX_WIREGUARDHOSTENCRYPTIONENABLED, false);
  await allocateTunnelAddresses(environment.nodeName, { nodes, ipam, log, hostEncryption });
}

/** Looks at this node's addresses again and writes them when they have changed. Rejects with AddressError. */
export async function checkAddresses(node: OpenNode): Promise<void> {
  const { env, environment, nodes, log } = node;
  const { nodeName } = environment;
  const options = readAddressOptions(env);
  if (options === undefined) return;
  const present = await nodes.get(nodeName).catch(error => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  const { surroundings } = startupDeps(node, { upgradeNode: async () => {} });
  const chosen = await settleAddresses(nodeName, present, options, { nodes, log, surroundings });
  if (sameAddresses(chosen, addressesOf(present))) return;
  await nodes.change(nodeName, current => withAddresses(current, chosen));
  const { ipv4, ipv6 } = chosen;
  log.info({ node: nodeName, ipv4, ipv6 }, 'The addresses of the node are written');
}

/** Warns of programs of the host that would take Calico's interfaces for their own. */
export function warnOfManagers(log: NodeLog): void {
  const warnings = interferingManagers({
    exists: existsSync,
    texts: folder =>
      existsSync(folder)
        ? readdirSync(folder)
            .filter(name => /\.(conf|network)$/.test(name))
            .map(name => readFileSync(join(folder, name), 'utf8'))
        : [],
  });
  for (const warning of warnings) log.warn({}, warning);
}
