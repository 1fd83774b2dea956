import { isDeepStrictEqual } from 'node:util';
import { CalicoNode, IPPool, Node } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import { type Addr, printAddr } from '@calico/ip';
import type { Ipam } from '@calico/ipam';
import type { Clock } from '@calico/reconcile';

const annotations = {
  ipv4: 'projectcalico.org/IPv4Address',
  vxlan4: 'projectcalico.org/IPv4VXLANTunnelAddr',
} as const;

/** Waits until the kubelet has registered the node. Rejects when the signal is aborted first. */
export async function whenNodeExists(client: Client, name: string, clock: Clock, signal: AbortSignal): Promise<Node> {
  for (;;) {
    try {
      return await client.get(Node, { name });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    await clock.sleep(50, signal);
  }
}

/**
 * Writes what Calico knows of this node into its annotations: its address for BGP, and the address of its end of the
 * VXLAN overlay while a pool uses it. Idempotent: nothing is written when nothing differs.
 */
export async function publishNode(
  client: Client,
  ipam: Ipam,
  name: string,
  address: string | undefined,
): Promise<void> {
  const node = await client.get(Node, { name });
  const tunnel = await vxlanAddress(client, ipam, name);
  const wanted: Record<string, string | null> = {
    ...(address === undefined ? {} : { [annotations.ipv4]: address }),
    [annotations.vxlan4]: tunnel === undefined ? null : printAddr(tunnel),
  };
  const present = node.metadata.annotations ?? {};
  const changed = Object.entries(wanted).filter(([key, value]) => (present[key] ?? null) !== value);
  if (changed.length === 0) return;
  await client.patch(Node, { name }, { metadata: { annotations: Object.fromEntries(changed) } }, { type: 'merge' });
}

/**
 * The same on etcd, where Calico's node is an object of its own: makes it when it is not there. Rejects when others change
 * it at the same time.
 */
export async function publishCalicoNode(
  client: Client,
  ipam: Ipam,
  name: string,
  address: string | undefined,
): Promise<void> {
  const [present, tunnel] = await Promise.all([calicoNode(client, name), vxlanAddress(client, ipam, name)]);
  const { ipv4VXLANTunnelAddr: _, ...spec } = present?.spec ?? {};
  const node: CalicoNode = {
    apiVersion: CalicoNode.apiVersion,
    kind: CalicoNode.kind,
    metadata: { name },
    ...present,
    spec: {
      ...spec,
      ...(address === undefined ? {} : { bgp: { ...spec.bgp, ipv4Address: address } }),
      ...(tunnel === undefined ? {} : { ipv4VXLANTunnelAddr: printAddr(tunnel) }),
    },
  };
  if (present === undefined) await client.create(CalicoNode, node);
  else if (!isDeepStrictEqual(node.spec, present.spec)) await client.update(CalicoNode, node);
}

async function calicoNode(client: Client, name: string): Promise<CalicoNode | undefined> {
  try {
    return await client.get(CalicoNode, { name });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function vxlanAddress(client: Client, ipam: Ipam, node: string): Promise<Addr | undefined> {
  const { items } = await client.list(IPPool);
  const used = items.some(
    ({ spec }) => spec.vxlanMode !== undefined && spec.vxlanMode !== 'Never' && spec.disabled !== true,
  );
  return used ? ipam.ensureTunnelAddress({ node, kind: 'vxlan' }) : undefined;
}
