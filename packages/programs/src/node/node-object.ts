import { IPPool, Node } from '@calico/api';
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

async function vxlanAddress(client: Client, ipam: Ipam, node: string): Promise<Addr | undefined> {
  const { items } = await client.list(IPPool);
  const used = items.some(
    ({ spec }) => spec.vxlanMode !== undefined && spec.vxlanMode !== 'Never' && spec.disabled !== true,
  );
  return used ? ipam.ensureTunnelAddress({ node, kind: 'vxlan' }) : undefined;
}
