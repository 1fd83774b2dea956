import {
  anyText,
  flag,
  type InvalidParameter,
  integer,
  oneOf,
  type Parameters,
  parsed,
  readParameters,
} from '@calico/calc';
import { parseAddr, parseCidr, printCidr } from '@calico/ip';
import type { PortRange } from '@calico/policy';
import type { BaseChainConfig } from './policy/base-chains.ts';
import type { RoutingConfig } from './routing/routing-config.ts';

/** Everything that the dataplane depends on besides the messages: Felix parameters, typed. */
export type DataplaneConfig = Omit<BaseChainConfig, 'vxlanPort'> &
  RoutingConfig & {
    /** Whether the node is told to forward packets: IPForwarding. */
    readonly ipForwarding: boolean;
    /** Whether live connections are held to policy as it is now, whatever policies say of it: CutLiveConnections. */
    readonly cutLiveConnections: boolean;
  };

/** What Felix takes as metrics. */
const priorities = [1, 2147483646] as const;

/** The parameters that the dataplane follows, each applied to the kernel as soon as it changes. */
export const dataplaneParameters: Parameters<Omit<DataplaneConfig, 'nodeName'>> = {
  interfacePrefixes: parsed('InterfacePrefix', parseNames, {
    fallback: ['cali'],
    allowed: 'starts of names, by commas',
    effect:
      'what names of workload interfaces start with, beside `cali`, which the plugin gives them; packets of those that no workload has are denied',
  }),
  endpointToHostAction: oneOf(
    'DefaultEndpointToHostAction',
    ['drop', 'return', 'accept'],
    'drop',
    'what becomes of packets from pods to their own node that policy allows',
  ),
  denyAction: oneOf('NftablesFilterDenyAction', ['drop', 'reject'], 'drop', 'what denied packets get'),
  serviceLoopPrevention: oneOf(
    'ServiceLoopPrevention',
    ['Drop', 'Reject', 'Disabled'],
    'Drop',
    'what packets get that are for the services of BGPConfiguration `default`, that nobody translated and that would leave the node again',
  ),
  disableConntrackInvalidCheck: flag(
    'DisableConntrackInvalidCheck',
    false,
    'packets of pods that belong to no connection, though they should, are not denied for it',
  ),
  sourceSpoofing: oneOf(
    'WorkloadSourceSpoofing',
    ['Disabled', 'Any'],
    'Disabled',
    'whether pods get the source addresses that their annotation `cni.projectcalico.org/allowedSourcePrefixes` asks for',
  ),
  externalNodes: parsed('ExternalNodesCIDRList', parseCidrs, {
    fallback: [],
    none: [],
    allowed: 'CIDRs, by commas',
    effect: 'who may send into the overlay beside the nodes',
  }),
  allowVxlanFromWorkloads: flag('AllowVXLANPacketsFromWorkloads', false, 'pods may send VXLAN themselves'),
  allowIpipFromWorkloads: flag('AllowIPIPPacketsFromWorkloads', false, 'pods may send IP in IP themselves'),
  vxlanVni: integer('VXLANVNI', [1, 2 ** 24 - 1], 4096, 'network identifier of VXLAN; the device is made anew'),
  vxlanPort: integer('VXLANPort', [1, 65535], 4789, 'UDP port of VXLAN; the device is made anew'),
  vxlanMtu: integer('VXLANMTU', [0, 65535], 0, 'MTU of VXLAN over IPv4; 0 finds it out'),
  vxlanMtuV6: integer('VXLANMTUV6', [0, 65535], 0, 'MTU of VXLAN over IPv6; 0 finds it out'),
  natOutgoingAddress: parsed('NATOutgoingAddress', parseIpv4, {
    fallback: undefined,
    none: undefined,
    allowed: 'an IPv4 address',
    effect: 'source address of IPv4 packets that leave the pools; that of the interface if not given',
  }),
  natPortRange: parsed('NATPortRange', parsePorts, {
    fallback: undefined,
    none: undefined,
    allowed: 'first:last',
    effect: 'source ports of TCP and UDP packets that leave the pools; the kernel’s choice if not given',
  }),
  natOutgoingExclusions: oneOf(
    'NATOutgoingExclusions',
    ['IPPoolsOnly', 'IPPoolsAndHostIPs'],
    'IPPoolsOnly',
    'the destinations for which a pool’s packets keep their source',
  ),
  natInterfaceFilter: anyText(
    'IptablesNATOutgoingInterfaceFilter',
    '',
    'only packets that leave by this interface get another source; `+` at the end stands for the rest of the name',
  ),
  floatingIps: parsed('FloatingIPs', parseEnabled, {
    fallback: false,
    defaultText: 'Disabled',
    allowed: 'Enabled, Disabled',
    effect: 'whether pods are reached by the addresses of their annotation `cni.projectcalico.org/floatingIPs`',
  }),
  ipForwarding: parsed('IPForwarding', parseEnabled, {
    fallback: true,
    defaultText: 'Enabled',
    allowed: 'Enabled, Disabled',
    effect: 'whether forwarding is switched on; what is on stays on',
  }),
  cutLiveConnections: parsed('CutLiveConnections', parseEnabled, {
    fallback: false,
    defaultText: 'Disabled',
    allowed: 'Enabled, Disabled',
    effect:
      'whether connections that policy no longer allows end at once, instead of living on (ours; Calico has no such parameter)',
  }),
  routePriority: integer('IPv4NormalRoutePriority', priorities, 1024, 'metric of our IPv4 routes'),
  routePriorityV6: integer('IPv6NormalRoutePriority', priorities, 1024, 'metric of our IPv6 routes'),
  deviceRouteSource: parsed('DeviceRouteSourceAddress', parseIpv4, {
    fallback: undefined,
    none: undefined,
    allowed: 'an IPv4 address of the node',
    effect: 'source address of the node’s own packets to its pods',
  }),
  deviceRouteSourceV6: parsed('DeviceRouteSourceAddressIPv6', parseIpv6, {
    fallback: undefined,
    none: undefined,
    allowed: 'an IPv6 address of the node',
    effect: 'the same for IPv6',
  }),
  removeExternalRoutes: flag('RemoveExternalRoutes', true, 'routes of others to interfaces of workloads are removed'),
  routeSyncDisabled: flag('RouteSyncDisabled', false, 'routes are left alone altogether'),
  deviceRouteProtocol: integer('DeviceRouteProtocol', [0, 255], 3, 'protocol number of routes to pods'),
  programNoEncapRoutes: parsed('ProgramClusterRoutes', parseClusterRoutes, {
    fallback: false,
    defaultText: 'EnabledIPIPOnly',
    allowed: 'Enabled, Disabled, EnabledIPIPOnly, EnabledNoEncapOnly',
    effect: 'whether Felix, not BIRD, makes the routes to pods of other nodes where nothing encapsulates',
  }),
};

/** Felix's own defaults. */
export const defaultDataplaneConfig: Omit<DataplaneConfig, 'nodeName'> = readParameters(dataplaneParameters, {}).values;

/** Types the parameters of a merged configuration, named as Felix names them in any case. */
export function dataplaneConfigFrom(
  nodeName: string,
  raw: Readonly<Record<string, string>>,
): { config: DataplaneConfig; invalid: InvalidParameter[] } {
  const { values, invalid } = readParameters(dataplaneParameters, raw);
  return { config: { nodeName, ...values }, invalid };
}

function parseClusterRoutes(text: string): boolean | undefined {
  if (text === 'Enabled' || text === 'EnabledNoEncapOnly') return true;
  return text === 'Disabled' || text === 'EnabledIPIPOnly' ? false : undefined;
}

function parseEnabled(text: string): boolean | undefined {
  return /^enabled$/i.test(text) ? true : /^disabled$/i.test(text) ? false : undefined;
}

/** The plugin's own interfaces are never left out: without their rules their pods could send as anyone. */
function parseNames(text: string): readonly string[] | undefined {
  const names = text.split(',').map(name => name.trim());
  return names.every(name => /^[^\s/]{1,15}$/.test(name)) ? [...new Set([...names, 'cali'])] : undefined;
}

function parseCidrs(text: string): readonly string[] | undefined {
  const cidrs = text.split(',').map(one => parseCidr(one.trim()));
  return cidrs.includes(undefined) ? undefined : cidrs.flatMap(one => (one === undefined ? [] : printCidr(one)));
}

function parsePorts(text: string): PortRange | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:[:-](\d{1,5}))?$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  return range.first >= 1 && range.first <= range.last && range.last <= 65535 ? range : undefined;
}

function parseIpv4(text: string): string | undefined {
  return parseAddr(text)?.family === 4 ? text : undefined;
}

function parseIpv6(text: string): string | undefined {
  return parseAddr(text)?.family === 6 ? text : undefined;
}
