import { describe, expect, test } from 'bun:test';
import { type DataplaneConfig, dataplaneConfigFrom, defaultDataplaneConfig } from './dataplane-config.ts';

const defaults = { ...defaultDataplaneConfig, nodeName: 'node1' };

describe('dataplaneConfigFrom', () => {
  test('gives Felix’s defaults where nothing is said', () => {
    expect(dataplaneConfigFrom('node1', {})).toEqual({ config: defaults, invalid: [] });
    expect(dataplaneConfigFrom('node1', { VXLANPort: '', LogSeverityScreen: 'Info' }).config).toEqual(defaults);
  });

  test('takes names in any case', () => {
    expect(dataplaneConfigFrom('node1', { VxlanPort: '4790' }).config.vxlanPort).toBe(4790);
  });

  const taken: { name: string; text: string; config: Partial<DataplaneConfig> }[] = [
    { name: 'InterfacePrefix', text: 'cali, tap', config: { interfacePrefixes: ['cali', 'tap'] } },
    { name: 'InterfacePrefix', text: 'eni', config: { interfacePrefixes: ['eni', 'cali'] } },
    { name: 'NftablesFilterDenyAction', text: 'REJECT', config: { denyAction: 'reject' } },
    { name: 'DisableConntrackInvalidCheck', text: 'true', config: { disableConntrackInvalidCheck: true } },
    { name: 'WorkloadSourceSpoofing', text: 'any', config: { sourceSpoofing: 'Any' } },
    {
      name: 'ExternalNodesCIDRList',
      text: '192.0.2.0/24, fd00::/8',
      config: { externalNodes: ['192.0.2.0/24', 'fd00::/8'] },
    },
    { name: 'VXLANMTUV6', text: '1300', config: { vxlanMtuV6: 1300 } },
    { name: 'NATOutgoingAddress', text: '192.0.2.1', config: { natOutgoingAddress: '192.0.2.1' } },
    { name: 'NATPortRange', text: '1000:2000', config: { natPortRange: { first: 1000, last: 2000 } } },
    { name: 'NATPortRange', text: '1000', config: { natPortRange: { first: 1000, last: 1000 } } },
    {
      name: 'NATOutgoingExclusions',
      text: 'IPPoolsAndHostIPs',
      config: { natOutgoingExclusions: 'IPPoolsAndHostIPs' },
    },
    { name: 'IptablesNATOutgoingInterfaceFilter', text: 'eth+', config: { natInterfaceFilter: 'eth+' } },
    { name: 'IPForwarding', text: 'Disabled', config: { ipForwarding: false } },
    { name: 'IPv6NormalRoutePriority', text: '7', config: { routePriorityV6: 7 } },
    { name: 'DeviceRouteSourceAddress', text: '192.0.2.1', config: { deviceRouteSource: '192.0.2.1' } },
    { name: 'DeviceRouteSourceAddressIPv6', text: 'fd00::1', config: { deviceRouteSourceV6: 'fd00::1' } },
    { name: 'RemoveExternalRoutes', text: 'false', config: { removeExternalRoutes: false } },
    { name: 'RouteSyncDisabled', text: 'true', config: { routeSyncDisabled: true } },
    { name: 'DefaultEndpointToHostAction', text: 'Accept', config: { endpointToHostAction: 'accept' } },
    { name: 'DefaultEndpointToHostAction', text: 'RETURN', config: { endpointToHostAction: 'return' } },
    { name: 'AllowVXLANPacketsFromWorkloads', text: 'true', config: { allowVxlanFromWorkloads: true } },
    { name: 'AllowVXLANPacketsFromWorkloads', text: 'N', config: { allowVxlanFromWorkloads: false } },
    { name: 'AllowIPIPPacketsFromWorkloads', text: '1', config: { allowIpipFromWorkloads: true } },
    { name: 'VXLANVNI', text: '16777215', config: { vxlanVni: 16777215 } },
    { name: 'VXLANPort', text: '8472', config: { vxlanPort: 8472 } },
    { name: 'VXLANMTU', text: '0', config: { vxlanMtu: 0 } },
    { name: 'VXLANMTU', text: '1400', config: { vxlanMtu: 1400 } },
    { name: 'IPv4NormalRoutePriority', text: '1', config: { routePriority: 1 } },
    { name: 'DeviceRouteProtocol', text: '80', config: { deviceRouteProtocol: 80 } },
    { name: 'ProgramClusterRoutes', text: 'Enabled', config: { programNoEncapRoutes: true } },
    { name: 'ProgramClusterRoutes', text: 'EnabledNoEncapOnly', config: { programNoEncapRoutes: true } },
    { name: 'ProgramClusterRoutes', text: 'EnabledIPIPOnly', config: { programNoEncapRoutes: false } },
  ];
  test.each(taken)('takes $name = "$text"', ({ name, text, config }) => {
    expect(dataplaneConfigFrom('node1', { [name]: text })).toEqual({ config: { ...defaults, ...config }, invalid: [] });
  });

  test.each([
    { name: 'InterfacePrefix', text: ',' },
    { name: 'InterfacePrefix', text: 'cali,' },
    { name: 'NftablesFilterDenyAction', text: 'accept' },
    { name: 'WorkloadSourceSpoofing', text: 'Enabled' },
    { name: 'ExternalNodesCIDRList', text: '192.0.2.0/24,x' },
    { name: 'NATOutgoingAddress', text: 'fd00::1' },
    { name: 'NATPortRange', text: '2000:1000' },
    { name: 'NATPortRange', text: '0:70000' },
    { name: 'DeviceRouteSourceAddressIPv6', text: '192.0.2.1' },
    { name: 'DefaultEndpointToHostAction', text: 'Reject' },
    { name: 'AllowVXLANPacketsFromWorkloads', text: 'maybe' },
    { name: 'VXLANVNI', text: '0' },
    { name: 'VXLANVNI', text: '16777216' },
    { name: 'VXLANPort', text: '65536' },
    { name: 'VXLANPort', text: '4789.5' },
    { name: 'VXLANMTU', text: '-1' },
    { name: 'IPv4NormalRoutePriority', text: '2147483647' },
    { name: 'DeviceRouteProtocol', text: '256' },
    { name: 'ProgramClusterRoutes', text: 'yes' },
  ])('keeps the default and names $name = "$text"', ({ name, text }) => {
    const { config, invalid } = dataplaneConfigFrom('node1', { [name]: text });
    expect(config).toEqual(defaults);
    expect(invalid).toMatchObject([{ name, text }]);
  });
});
