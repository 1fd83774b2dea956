import { type Family, parseCidr } from '@calico/ip';
import { CniError, errorCodes } from './cni-error.ts';

/** A network configuration, checked: the fields that mean something to the agent. */
export interface NetworkConfig {
  readonly cniVersion: string;
  readonly name: string;
  /** The families that a container gets an address of. */
  readonly families: readonly Family[];
  /** Pools to take addresses from, CIDRs or names; empty: all that select the node. */
  readonly ipv4Pools: readonly string[];
  readonly ipv6Pools: readonly string[];
  /** 0: as the agent has it. */
  readonly mtu: number;
  readonly allowIpForwarding: boolean;
  /** How long rules and routes are waited for, in milliseconds; undefined: until they are there, however long. */
  readonly policyTimeoutMs: number | undefined;
  /** Addresses of the result of the ADD, in a CHECK. */
  readonly previousAddresses: readonly string[] | undefined;
}

type Fields = { readonly [field: string]: unknown };

/**
 * Reads Calico's CNI configuration (its documentation, "Configure the Calico CNI plugins"). What this agent does not do is
 * refused, never passed over; datastore and log fields are the agent's own matter and have no meaning here. Throws
 * CniError 7 that names the field.
 */
export function parseNetworkConfig(config: Fields, nodeName: string): NetworkConfig {
  const ipam = section(config, 'ipam');
  refuseUnless(ipam, 'ipam.type', ['', 'calico-ipam']);
  refuseUnless(config, 'device_type', ['', 'veth']);
  refuseUnless(section(config, 'dataplane_options'), 'dataplane_options.type', ['', 'linux']);
  refuseUnless(config, 'num_queues', ['', 0, 1]);
  refuseUnless(config, 'nodename', ['', nodeName]);
  refuseUnless(section(config, 'kubernetes'), 'kubernetes.node_name', ['', nodeName]);
  const gates = config.readiness_gates ?? [];
  if (!Array.isArray(gates) || gates.length > 0) throw refused('readiness_gates', gates, 'an empty list');
  const four = assigns(ipam, 'ipam.assign_ipv4', true);
  const six = assigns(ipam, 'ipam.assign_ipv6', false);
  if (!four && !six) throw refused('ipam.assign_ipv4', 'false', '"true", or ipam.assign_ipv6 "true"');
  return {
    cniVersion: String(config.cniVersion),
    name: String(config.name),
    families: [...(four ? [4 as const] : []), ...(six ? [6 as const] : [])],
    ipv4Pools: poolList(ipam.ipv4_pools, 'ipam.ipv4_pools', 4),
    ipv6Pools: poolList(ipam.ipv6_pools, 'ipam.ipv6_pools', 6),
    mtu: wholeNumber(config, 'mtu', 65_535),
    allowIpForwarding: section(config, 'container_settings').allow_ip_forwarding === true,
    policyTimeoutMs: wholeNumber(config, 'policy_setup_timeout_seconds', 3_600) * 1000 || undefined,
    previousAddresses: previousAddresses(config.prevResult),
  };
}

function refused(field: string, value: unknown, allowed: string): CniError {
  return new CniError(
    errorCodes.invalidConfig,
    `Cannot use network configuration: ${field} is ${JSON.stringify(value)}; allowed: ${allowed}`,
  );
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function section(config: Fields, name: string): Fields {
  const value = config[name] ?? {};
  if (!isFields(value)) throw refused(name, value, 'an object');
  return value;
}

/** @param path where the field is, its last part its name in `fields`; absent counts as empty text. */
function refuseUnless(fields: Fields, path: string, allowed: readonly unknown[]): void {
  const value = fields[path.slice(path.lastIndexOf('.') + 1)] ?? '';
  if (!allowed.includes(value)) throw refused(path, value, allowed.map(each => JSON.stringify(each)).join(', '));
}

function assigns(ipam: Fields, path: string, absent: boolean): boolean {
  const value = ipam[path.slice('ipam.'.length)] ?? String(absent);
  if (value === 'true' || value === true) return true;
  if (value === 'false' || value === false) return false;
  throw refused(path, value, '"true", "false"');
}

function wholeNumber(config: Fields, field: string, largest: number): number {
  const value = config[field] ?? 0;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= largest) return value;
  throw refused(field, value, `a whole number from 0 to ${largest}`);
}

/** A list of pools: CIDRs of the family, or names. Throws CniError 7. */
export function poolList(value: unknown, field: string, family: Family): string[] {
  const pools = value ?? [];
  if (!Array.isArray(pools)) throw refused(field, pools, 'a list of CIDRs or names of pools');
  return pools.map((pool: unknown) => {
    const cidr = typeof pool === 'string' ? parseCidr(pool) : undefined;
    if (typeof pool !== 'string' || pool === '' || (cidr !== undefined && cidr.addr.family !== family)) {
      throw refused(field, pool, `a CIDR of IPv${family} or the name of a pool`);
    }
    return pool;
  });
}

/** The addresses of a result of any version. */
function previousAddresses(result: unknown): string[] | undefined {
  if (!isFields(result)) return undefined;
  const ips = Array.isArray(result.ips) ? result.ips : [];
  return ips.flatMap((ip: unknown) => (isFields(ip) && typeof ip.address === 'string' ? [ip.address] : []));
}
