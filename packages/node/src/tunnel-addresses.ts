import type { CalicoNode } from '@calico/api';
import { type Addr, printAddr } from '@calico/ip';
import { type Ipam, isIpamError, TUNNEL_KINDS, type TunnelKind, tunnelPlan } from '@calico/ipam';
import type { NodeLog } from './log.ts';
import type { NodeStore } from './node-store.ts';

type Addresses = Partial<Record<TunnelKind, string | undefined>>;

/** What giving tunnels their addresses works with. */
export interface TunnelDeps {
  readonly nodes: NodeStore;
  readonly ipam: Pick<Ipam, 'ensureTunnelAddress' | 'releaseByHandle'>;
  readonly log: NodeLog;
  /** Whether the host's own traffic goes through WireGuard: its device has the host's address then, not one of ours. */
  readonly hostEncryption: boolean;
}

/**
 * Gives each tunnel of a node that a pool wants its address, takes away those that no pool wants any more, and writes them
 * into the node. Idempotent; one that fails leaves the others as they are. Rejects with the first failure, at the end.
 */
export async function allocateTunnelAddresses(name: string, deps: TunnelDeps): Promise<void> {
  const { nodes, ipam, log, hostEncryption } = deps;
  const node = await nodes.get(name);
  const { wireguardPublicKey, wireguardPublicKeyV6 } = node.status ?? {};
  const runs = (kind: TunnelKind): boolean => {
    if (kind === 'wireguard') return Boolean(wireguardPublicKey) && !hostEncryption;
    if (kind === 'wireguard-v6') return Boolean(wireguardPublicKeyV6) && !hostEncryption;
    return true;
  };
  const nodeLabels = node.metadata.labels ?? {};
  const before = tunnelAddressesOf(node);
  const found: Addresses = {};
  const failures: unknown[] = [];
  const settle = async (kind: TunnelKind): Promise<void> => {
    try {
      if (runs(kind))
        found[kind] = print(await ipam.ensureTunnelAddress({ node: name, kind, nodeLabels, noted: before[kind] }));
      else {
        await release(kind, name, ipam);
        found[kind] = undefined;
      }
    } catch (err) {
      log.warn({ err, tunnel: kind }, 'A tunnel has no address of its own');
      failures.push(err);
    }
  };
  await Promise.all(TUNNEL_KINDS.map(settle));
  const wanted = { ...before, ...found };
  if (JSON.stringify(wanted) !== JSON.stringify(before)) {
    await nodes.change(name, current => withTunnelAddresses(current, wanted));
    log.info({ node: name, ...wanted }, 'The addresses of tunnels have changed');
  }
  if (failures.length > 0) throw failures[0];
}

async function release(kind: TunnelKind, node: string, ipam: Pick<Ipam, 'releaseByHandle'>): Promise<void> {
  try {
    await ipam.releaseByHandle(tunnelPlan(kind, node).handle);
  } catch (error) {
    if (!isIpamError(error, 'NotFound')) throw error;
  }
}

function print(address: Addr | undefined): string | undefined {
  return address && printAddr(address);
}

/** All kinds, also those without an address. */
function tunnelAddressesOf({ spec }: CalicoNode): Record<TunnelKind, string | undefined> {
  return {
    wireguard: spec.wireguard?.interfaceIPv4Address,
    'wireguard-v6': spec.wireguard?.interfaceIPv6Address,
    ipip: spec.bgp?.ipv4IPIPTunnelAddr,
    vxlan: spec.ipv4VXLANTunnelAddr,
    'vxlan-v6': spec.ipv6VXLANTunnelAddr,
  };
}

function withTunnelAddresses(node: CalicoNode, addresses: Addresses): CalicoNode {
  const { ipv4VXLANTunnelAddr: _four, ipv6VXLANTunnelAddr: _six, wireguard: _old, bgp, ...others } = node.spec;
  const { ipv4IPIPTunnelAddr: _ipip, ...ofBgp } = bgp ?? {};
  const spec = {
    ...others,
    ...section('bgp', { ...ofBgp, ipv4IPIPTunnelAddr: addresses.ipip }),
    ...section('wireguard', {
      interfaceIPv4Address: addresses.wireguard,
      interfaceIPv6Address: addresses['wireguard-v6'],
    }),
    ...present({ ipv4VXLANTunnelAddr: addresses.vxlan, ipv6VXLANTunnelAddr: addresses['vxlan-v6'] }),
  };
  return { ...node, spec };
}

/** A section of the spec; none when it would be empty. */
function section<K extends string, T extends object>(name: K, fields: T): { [k in K]?: Present<T> } {
  const some = present(fields);
  return (Object.keys(some).length === 0 ? {} : { [name]: some }) as { [k in K]?: Present<T> };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
