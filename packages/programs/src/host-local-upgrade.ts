import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Pod } from '@calico/api';
import type { Client } from '@calico/datastore';
import { type Addr, parseAddr, printAddr } from '@calico/ip';
import type { Ipam } from '@calico/ipam';

/** The network that Calico's manifests name, and where host-local keeps a file for each of its addresses. */
const NETWORK = 'k8s-pod-network';
const FOLDER = `/var/lib/cni/networks/${NETWORK}`;

/** What an upgrade works with. */
export interface UpgradeDeps {
  /** The node's name, as Calico and Kubernetes call it. */
  readonly node: string;
  readonly ipam: Pick<Ipam, 'assignIp'>;
  /** Knows which pod has an address; undefined where there is no Kubernetes. */
  readonly kubernetes: Pick<Client, 'list'> | undefined;
  readonly log: (text: string) => void;
  readonly folder?: string;
}

/** An address in use by host-local: a file with its name, which holds the container's ID. */
interface Held {
  readonly file: string;
  readonly address: Addr;
  readonly container: string;
}

/**
 * Moves the addresses that host-local gave to this node's pods into Calico's IPAM, each under the handle by which its container's DEL
 * will find it, and takes host-local's notes away one by one. May be cut off and repeated; without notes nothing is done. Rejects
 * with the first address that cannot be had: out of every pool, or another's.
 */
export async function upgradeHostLocal({ node, ipam, kubernetes, log, folder = FOLDER }: UpgradeDeps): Promise<void> {
  if (!existsSync(folder)) {
    log(`nothing to do: ${folder} is not there`);
    return;
  }
  const held = readHeld(folder);
  const pods = held.length === 0 ? new Map<string, Pod>() : await podsByAddress(kubernetes, node);
  for (const { file, address, container } of held) {
    const text = printAddr(address);
    const pod = pods.get(text)?.metadata;
    await ipam.assignIp({
      address,
      handle: `${NETWORK}.${container}`,
      attributes: { node, ...(pod === undefined ? {} : { pod: pod.name, namespace: pod.namespace ?? 'default' }) },
      node,
      reuse: true,
    });
    rmSync(file);
    log(
      `${text} of container ${container}${pod === undefined ? '' : ` (pod ${pod.namespace}/${pod.name})`} is Calico's now`,
    );
  }
  // What is left is host-local's lock and the last address of each range.
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  rmdirSync(folder);
}

function readHeld(folder: string): Held[] {
  return readdirSync(folder).flatMap((name): Held[] => {
    const address = parseAddr(name);
    if (address === undefined) return [];
    const file = join(folder, name);
    // Its second line, where there is one, is the interface.
    const [container = ''] = readFileSync(file, 'utf8').trim().split(/\s+/);
    if (container === '') throw new Error(`Cannot take ${name} over from host-local: ${file} names no container`);
    return [{ file, address, container }];
  });
}

async function podsByAddress(kubernetes: UpgradeDeps['kubernetes'], node: string): Promise<Map<string, Pod>> {
  const found = new Map<string, Pod>();
  const { items = [] } = (await kubernetes?.list(Pod, { fieldSelector: `spec.nodeName=${node}` })) ?? {};
  for (const pod of items) {
    if (pod.spec.hostNetwork === true) continue;
    for (const { ip } of pod.status?.podIPs ?? []) {
      const address = parseAddr(ip ?? '');
      if (address !== undefined) found.set(printAddr(address), pod);
    }
  }
  return found;
}
