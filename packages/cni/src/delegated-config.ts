import { Node } from '@calico/api';
import { parseCidr } from '@calico/ip';
import type { CniCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import { type Fields, isFields, refused, section } from './config-fields.ts';
import type { CniDeps } from './deps.ts';
import { delegateOf } from './network-config.ts';
import type { CniDelegate } from './protocol.ts';

/** What Calico's configuration may say instead of a subnet for host-local, in any case: the node's own of a family. */
const podCidrFamilies: Readonly<Record<string, 4 | 6>> = { usepodcidr: 4, usepodcidripv6: 6 };
/** A DEL needs no right subnet, only one: the addresses are found by their container. */
const anySubnet = { 4: '0.0.0.0/0', 6: '::/0' } as const;

/**
 * The IPAM plugin that a configuration names instead of Calico's, with what it is to be told; undefined when there is none.
 * Rejects with CniError 7 on a name that is none, with 999 where the node has no subnet of its own for the pods.
 */
export async function delegateFor(deps: CniDeps, call: CniCall): Promise<CniDelegate | undefined> {
  const ipam = section(call.config, 'ipam');
  const type = delegateOf(ipam);
  if (type === undefined) return undefined;
  const subnets = usesPodCidr(ipam) ? await podSubnets(deps, call) : anySubnet;
  return { type, config: { ...call.config, ipam: withSubnets(ipam, subnets) } };
}

type Subnets = { readonly [family in 4 | 6]?: string };

function familyOf(subnet: unknown): 4 | 6 | undefined {
  return typeof subnet === 'string' ? podCidrFamilies[subnet.toLowerCase()] : undefined;
}

function rangesOf({ ranges }: Fields): Fields[][] {
  const sets = ranges ?? [];
  if (Array.isArray(sets) && sets.every(set => Array.isArray(set) && set.every(isFields))) return sets;
  throw refused('ipam.ranges', ranges, 'a list of lists of objects');
}

function usesPodCidr(ipam: Fields): boolean {
  return (
    familyOf(ipam.subnet) !== undefined ||
    rangesOf(ipam)
      .flat()
      .some(({ subnet }) => familyOf(subnet) !== undefined)
  );
}

function withSubnets(ipam: Fields, subnets: Subnets): Fields {
  const filled = (fields: Fields): Fields => {
    const family = familyOf(fields.subnet);
    if (family === undefined) return fields;
    const subnet = subnets[family];
    if (subnet !== undefined) return { ...fields, subnet };
    throw new CniError(
      errorCodes.internal,
      `Cannot assign address: ipam.subnet is "${fields.subnet}", but the Node has no podCIDR of IPv${family}`,
    );
  };
  const ranges = rangesOf(ipam);
  return { ...filled(ipam), ...(ranges.length > 0 ? { ranges: ranges.map(set => set.map(filled)) } : {}) };
}

async function podSubnets({ kubernetes, nodeName }: CniDeps, { command }: CniCall): Promise<Subnets> {
  if (command !== 'ADD') return anySubnet;
  if (kubernetes === undefined) {
    throw new CniError(
      errorCodes.invalidConfig,
      'Cannot use network configuration: ipam.subnet is "usePodCidr", but no API of Kubernetes is known; allowed: with kubernetes.kubeconfig, or a CIDR',
    );
  }
  const { spec } = await kubernetes.get(Node, { name: nodeName });
  const { podCIDR, podCIDRs = [] } = spec ?? {};
  const texts = podCIDRs.length > 0 ? podCIDRs : [podCIDR ?? ''];
  const subnets: { [family in 4 | 6]?: string } = {};
  for (const text of texts) {
    const family = parseCidr(text)?.addr.family;
    if (family !== undefined) subnets[family] ??= text;
  }
  return subnets;
}
