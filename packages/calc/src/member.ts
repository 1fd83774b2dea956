import {
  type GlobalNetworkSet,
  type HostEndpoint,
  NAMESPACE_LABEL,
  NAMESPACE_LABEL_PREFIX,
  type NetworkSet,
  namespaceProfileName,
  SERVICE_ACCOUNT_LABEL,
  SERVICE_ACCOUNT_LABEL_PREFIX,
  type WorkloadEndpoint,
} from '@calico/api';
import type { Labels } from '@calico/selector';
import { eachNet, netKeys } from './net-key.ts';
import type { Member, NamedPort } from './set-members.ts';

/** What a workload gives to sets; undefined when it has no addresses or no interface, and so does not exist for policy. */
export function workloadMember(resource: WorkloadEndpoint): Member | undefined {
  const { spec, metadata } = resource;
  const nets = netKeys(spec.ipNetworks);
  if (eachNet(nets).length === 0 || !spec.interfaceName) return undefined;
  const own: Record<string, string> = {};
  if (metadata.namespace !== undefined) own[NAMESPACE_LABEL] = metadata.namespace;
  if (spec.serviceAccountName) own[SERVICE_ACCOUNT_LABEL] = spec.serviceAccountName;
  return {
    labels: feedLabels(metadata.labels, own),
    profiles: spec.profiles ?? NOTHING,
    nets,
    ports: readPorts(spec.ports),
  };
}

/** What a host endpoint gives to sets: its expected addresses. */
export function hostEndpointMember(resource: HostEndpoint): Member {
  const { spec, metadata } = resource;
  return {
    labels: metadata.labels ?? NO_LABELS,
    profiles: spec.profiles ?? NOTHING,
    nets: netKeys(spec.expectedIPs),
    ports: readPorts(spec.ports),
  };
}

/** What a network set gives to sets; a namespaced one has its namespace as a label and inherits the labels of it. */
export function networkSetMember(resource: NetworkSet | GlobalNetworkSet, namespace: string | undefined): Member {
  const { spec, metadata } = resource;
  return {
    labels: feedLabels(metadata.labels, namespace === undefined ? {} : { [NAMESPACE_LABEL]: namespace }),
    profiles: namespace === undefined ? NOTHING : [namespaceProfileName(namespace)],
    nets: netKeys(spec.nets),
    ports: NOTHING,
  };
}

const NOTHING: readonly never[] = [];
const NO_LABELS: Labels = {};

/** The object's labels, less those that only profiles may give, with `extra` on top. */
function feedLabels(labels: Labels | undefined, extra: Labels): Labels {
  const given = labels ?? NO_LABELS;
  if (isAsItIs(given, extra)) return given;
  return { ...Object.fromEntries(Object.entries(given).filter(([key]) => !isInherited(key))), ...extra };
}

function isAsItIs(labels: Labels, extra: Labels): boolean {
  for (const key in extra) if (labels[key] !== extra[key]) return false;
  for (const key in labels) if (isInherited(key)) return false;
  return true;
}

function isInherited(key: string): boolean {
  return key.startsWith(NAMESPACE_LABEL_PREFIX) || key.startsWith(SERVICE_ACCOUNT_LABEL_PREFIX);
}

interface ApiPort {
  readonly name?: string;
  readonly protocol?: number | string;
  readonly port: number;
}

const PROTOCOLS: Readonly<Record<string, NamedPort['protocol']>> = {
  tcp: 'tcp',
  '6': 'tcp',
  udp: 'udp',
  '17': 'udp',
  sctp: 'sctp',
  '132': 'sctp',
};

/** The ports with a name, of protocols that have ports. */
function readPorts(ports: readonly ApiPort[] | undefined): readonly NamedPort[] {
  if (ports === undefined || ports.length === 0) return NOTHING;
  const named: NamedPort[] = [];
  for (const { name, protocol, port } of ports) {
    const known = PROTOCOLS[String(protocol ?? 'tcp').toLowerCase()];
    if (name && known !== undefined) named.push({ name, protocol: known, port });
  }
  return named;
}
