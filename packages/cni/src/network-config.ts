import type { Family } from '@calico/ip';
import {
  type Fields,
  flag,
  isFields,
  poolList,
  refused,
  refuseUnless,
  section,
  text,
  wholeNumber,
} from './config-fields.ts';

/** A network configuration, checked: the fields that mean something to the handler. */
export interface NetworkConfig {
  readonly cniVersion: string;
  readonly name: string;
  /** The families that a container gets an address of. */
  readonly families: readonly Family[];
  /** Pools to take addresses from, CIDRs or names; empty: all that select the node. */
  readonly ipv4Pools: readonly string[];
  readonly ipv6Pools: readonly string[];
  /** The IPAM plugin that gives addresses instead of Calico's: `host-local` and the like. */
  readonly delegate: string | undefined;
  /** 0: as the node has it. */
  readonly mtu: number;
  /** Without the file that says the node's MTU nothing is made. */
  readonly requireMtuFile: boolean;
  readonly queues: number;
  readonly allowIpForwarding: boolean;
  /** Default routes besides those that the delegated IPAM plugin gives. */
  readonly includeDefaultRoutes: boolean;
  /** URLs that have to answer before anything is made. */
  readonly readinessGates: readonly string[];
  /** How long rules and routes are waited for, in milliseconds; undefined: until they are there, however long. */
  readonly policyTimeoutMs: number | undefined;
  /** Where Felix notes which endpoints are ready, for those who cannot ask it. */
  readonly statusFolder: string;
  readonly features: { readonly ipAddrsNoIpam: boolean; readonly floatingIps: boolean };
  /** `policy.type` is k8s: labels, ports and profiles come from the pod. */
  readonly kubernetesPolicy: boolean;
  /** What the plugin before this one in the list made, or in a CHECK this one. */
  readonly prevResult: Fields | undefined;
}

/** What the configuration is read for. */
export interface ConfigContext {
  readonly nodeName: string;
  /** What the datastore of this handler is, as `datastore_type` names it. */
  readonly datastoreType: 'kubernetes' | 'etcdv3';
}

/** Fields of Calico's configuration that only a Windows node has a use for. */
const windowsFields = /^(?:mode|vxlan_mac_prefix|vxlan_vni|windows_.*)$/;

/**
 * Reads Calico's CNI configuration (its documentation, "Configure the Calico CNI plugins"). What is not done here is
 * refused, never passed over. Where the datastore is and how it is asked (`etcd_*`, `kubernetes.kubeconfig`, `qps` …) is
 * the matter of whoever opens it: the agent, or the plugin that works alone. Throws CniError 7 that names the field.
 */
export function parseNetworkConfig(config: Fields, { nodeName, datastoreType }: ConfigContext): NetworkConfig {
  const ipam = section(config, 'ipam');
  const policy = section(config, 'policy');
  const features = section(config, 'feature_control');
  refuseUnless(config, 'datastore_type', ['', datastoreType], ', the datastore of the node agent');
  refuseUnless(config, 'device_type', ['', 'veth'], '; netkit is not supported');
  refuseUnless(
    section(config, 'dataplane_options'),
    'dataplane_options.type',
    ['', 'linux'],
    '; others are not supported',
  );
  refuseUnless(config, 'nodename', ['', nodeName], ', the name of this node');
  refuseUnless(section(config, 'kubernetes'), 'kubernetes.node_name', ['', nodeName], ', the name of this node');
  refuseUnless(policy, 'policy.type', ['', 'k8s']);
  for (const field of Object.keys(config).filter(name => windowsFields.test(name))) {
    throw refused(field, config[field], 'nothing, the field is for nodes with Windows');
  }
  const delegate = delegateOf(ipam);
  const families = delegate === undefined ? familiesOf(ipam) : [];
  return {
    cniVersion: String(config.cniVersion),
    name: String(config.name),
    families,
    ipv4Pools: poolList(ipam.ipv4_pools, 'ipam.ipv4_pools', 4),
    ipv6Pools: poolList(ipam.ipv6_pools, 'ipam.ipv6_pools', 6),
    delegate,
    mtu: wholeNumber(config, 'mtu', 65_535),
    requireMtuFile: flag(config, 'require_mtu_file'),
    queues: wholeNumber(config, 'num_queues', 4096) || 1,
    allowIpForwarding: flag(section(config, 'container_settings'), 'container_settings.allow_ip_forwarding'),
    includeDefaultRoutes: flag(config, 'include_default_routes'),
    readinessGates: gatesOf(config.readiness_gates),
    policyTimeoutMs: wholeNumber(config, 'policy_setup_timeout_seconds', 3_600) * 1000 || undefined,
    statusFolder: text(config, 'endpoint_status_dir') || '/var/run/calico/endpoint-status',
    features: {
      ipAddrsNoIpam: flag(features, 'feature_control.ip_addrs_no_ipam'),
      floatingIps: flag(features, 'feature_control.floating_ips'),
    },
    kubernetesPolicy: policy.type === 'k8s',
    prevResult: isFields(config.prevResult) ? config.prevResult : undefined,
  };
}

/** Also for a DEL, which has to find its way through any configuration: undefined where the type is none. */
export function delegateOf(ipam: Fields): string | undefined {
  const type = text(ipam, 'ipam.type');
  if (type === '' || type === 'calico-ipam') return undefined;
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(type)) return type;
  throw refused('ipam.type', type, '"calico-ipam", or the name of another IPAM plugin');
}

function familiesOf(ipam: Fields): Family[] {
  const four = flag(ipam, 'ipam.assign_ipv4', true);
  const six = flag(ipam, 'ipam.assign_ipv6', false);
  if (!four && !six) throw refused('ipam.assign_ipv4', 'false', '"true", or ipam.assign_ipv6 "true"');
  return [...(four ? [4 as const] : []), ...(six ? [6 as const] : [])];
}

function gatesOf(value: unknown): string[] {
  const gates = value ?? [];
  if (
    Array.isArray(gates) &&
    gates.every(gate => typeof gate === 'string' && /^https?:\/\/./.test(gate) && URL.canParse(gate))
  ) {
    return gates;
  }
  throw refused('readiness_gates', value, 'a list of URLs that begin with http:// or https://');
}
