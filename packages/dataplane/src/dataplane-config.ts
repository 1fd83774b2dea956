import { flag, type InvalidParameter, integer, oneOf, type Parameters, parsed, readParameters } from '@calico/calc';
import type { BaseChainConfig } from './policy/base-chains.ts';
import type { RoutingConfig } from './routing/routing-config.ts';

/** Everything that the dataplane depends on besides the messages: Felix parameters, typed. */
export type DataplaneConfig = Omit<BaseChainConfig, 'vxlanPort'> & RoutingConfig;

/** The parameters that the dataplane follows, each applied to the kernel as soon as it changes. */
export const dataplaneParameters: Parameters<Omit<DataplaneConfig, 'nodeName'>> = {
  interfacePrefix: parsed('InterfacePrefix', text => text.split(',')[0] || undefined, {
    fallback: 'cali',
    allowed: 'names, by commas; the first one counts',
    effect: 'what names of workload interfaces start with; those that no workload has are dropped',
  }),
  endpointToHostAction: oneOf(
    'DefaultEndpointToHostAction',
    ['drop', 'return', 'accept'],
    'drop',
    'what becomes of packets from pods to their own node that policy allows',
  ),
  allowVxlanFromWorkloads: flag('AllowVXLANPacketsFromWorkloads', false, 'pods may send VXLAN themselves'),
  allowIpipFromWorkloads: flag('AllowIPIPPacketsFromWorkloads', false, 'pods may send IP in IP themselves'),
  vxlanVni: integer('VXLANVNI', [1, 2 ** 24 - 1], 4096, 'network identifier of VXLAN; the device is made anew'),
  vxlanPort: integer('VXLANPort', [1, 65535], 4789, 'UDP port of VXLAN; the device is made anew'),
  vxlanMtu: integer('VXLANMTU', [0, 65535], 0, 'MTU of VXLAN over IPv4; 0 finds it out'),
  routePriority: integer('IPv4NormalRoutePriority', [1, 2147483646], 1024, 'metric of our routes'),
  deviceRouteProtocol: integer('DeviceRouteProtocol', [0, 255], 3, 'protocol number of routes to pods'),
  programNoEncapRoutes: parsed('ProgramClusterRoutes', parseClusterRoutes, {
    fallback: false,
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
