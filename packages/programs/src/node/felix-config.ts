/** The parameters that the agent reads, by Felix's names. */
export const felixParameters: readonly string[] = [
  'AllowIPIPPacketsFromWorkloads',
  'AllowVXLANPacketsFromWorkloads',
  'DefaultEndpointToHostAction',
  'DeviceRouteProtocol',
  'HealthEnabled',
  'HealthHost',
  'HealthPort',
  'IPv4NormalRoutePriority',
  'InterfacePrefix',
  'IpInIpMtu',
  'LogSeverityScreen',
  'MTUIfacePattern',
  'ProgramClusterRoutes',
  'PrometheusMetricsEnabled',
  'PrometheusMetricsHost',
  'PrometheusMetricsPort',
  'VXLANMTU',
  'VXLANMTUV6',
  'VXLANPort',
  'VXLANVNI',
  'WireguardEnabled',
  'WireguardEnabledV6',
  'WireguardMTU',
  'WireguardMTUV6',
];

/**
 * Felix parameters from the environment: FELIX_<name> in any case, by the parameter's name as Felix spells it. The
 * environment beats every FelixConfiguration.
 */
export function felixEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const byUpper = new Map(names.map(name => [name.toUpperCase(), name] as const));
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(env)) {
    const upper = key.toUpperCase();
    if (value === undefined || !upper.startsWith('FELIX_')) continue;
    const name = byUpper.get(upper.slice('FELIX_'.length));
    if (name !== undefined) found[name] = value;
  }
  return found;
}
