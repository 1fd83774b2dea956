import type { Namespace, Pod } from '@calico/api';
import type { Family } from '@calico/ip';
import { CniError, errorCodes } from './cni-error.ts';
import { type NetworkConfig, poolList } from './network-config.ts';

const PREFIX = 'cni.projectcalico.org/';
/** Wishes of a pod that this server cannot fulfil yet: refused, since a pod that has them counts on them. */
const notFulfilled = ['ipAddrs', 'ipAddrsNoIpam', 'hwAddr', 'floatingIPs'];

/** Where a pod's addresses are to come from. */
export interface AddressWish {
  readonly families: readonly Family[];
  /** CIDRs or names of pools; empty: all that select the node. */
  readonly ipv4Pools: readonly string[];
  readonly ipv6Pools: readonly string[];
}

/**
 * What annotations ask for: `ipv4pools`, `ipv6pools` and `ipFamilies`, of the pod, else of its namespace, else the network
 * configuration. Throws CniError 999 on one that is no JSON list, and on a pod's wish that is not fulfilled here.
 */
export function addressWish(pod: Pod, namespace: Namespace | undefined, config: NetworkConfig): AddressWish {
  const own = pod.metadata.annotations ?? {};
  for (const name of notFulfilled) {
    const value = own[PREFIX + name];
    if (value === undefined) continue;
    throw refused(name, value, 'this annotation is not supported by the CNI server');
  }
  const inherited = namespace?.metadata.annotations ?? {};
  const list = (name: string): unknown[] | undefined => {
    const text = own[PREFIX + name] ?? inherited[PREFIX + name];
    return text === undefined ? undefined : parseList(name, text);
  };
  const ipv4Pools = list('ipv4pools');
  const ipv6Pools = list('ipv6pools');
  const families = list('ipFamilies');
  return {
    families: families === undefined ? config.families : readFamilies(families),
    ipv4Pools: ipv4Pools === undefined ? config.ipv4Pools : poolList(ipv4Pools, `annotation ${PREFIX}ipv4pools`, 4),
    ipv6Pools: ipv6Pools === undefined ? config.ipv6Pools : poolList(ipv6Pools, `annotation ${PREFIX}ipv6pools`, 6),
  };
}

function parseList(name: string, text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch {
    // Falls through to the same refusal.
  }
  throw refused(name, text, 'allowed: a list in JSON');
}

function readFamilies(values: readonly unknown[]): Family[] {
  const families = new Set(
    values.map((value): Family => {
      if (value === 'IPv4') return 4;
      if (value === 'IPv6') return 6;
      throw refused('ipFamilies', value, 'allowed: "IPv4", "IPv6"');
    }),
  );
  if (families.size === 0) throw refused('ipFamilies', values, 'allowed: at least one of "IPv4", "IPv6"');
  return [...families].sort();
}

function refused(name: string, value: unknown, reason: string): CniError {
  return new CniError(
    errorCodes.internal,
    `Cannot set up pod network: annotation ${PREFIX}${name} is ${JSON.stringify(value)}; ${reason}`,
  );
}
