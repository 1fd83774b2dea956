import type { BaseChainConfig } from './policy/base-chains.ts';
import type { RoutingConfig } from './routing/routing-config.ts';

/** Everything that the dataplane depends on besides the messages: Felix parameters, typed. */
export type DataplaneConfig = Omit<BaseChainConfig, 'vxlanPort'> &
  RoutingConfig & {
    /** What a line about a packet of a Log rule begins with. */
    readonly logPrefix: string;
  };

/** Felix's own defaults. */
export const defaultDataplaneConfig: Omit<DataplaneConfig, 'nodeName'> = {
  interfacePrefix: 'cali',
  endpointToHostAction: 'drop',
  allowVxlanFromWorkloads: false,
  allowIpipFromWorkloads: false,
  vxlanVni: 4096,
  vxlanPort: 4789,
  vxlanMtu: 0,
  routePriority: 1024,
  deviceRouteProtocol: 3,
  programNoEncapRoutes: false,
  logPrefix: 'calico-packet',
};

/**
 * Types the parameters of a merged FelixConfiguration, named as Felix names them. What is absent keeps its default;
 * what is not of its type keeps it too, as Felix does, and is named in `ignored`.
 */
export function dataplaneConfigFrom(
  nodeName: string,
  raw: Readonly<Record<string, string>>,
): { config: DataplaneConfig; ignored: string[] } {
  const ignored: string[] = [];
  // Felix knows its parameters in any case: a field's name gives VxlanPort, its own name is VXLANPort. The last one counts.
  const byName = new Map(Object.entries(raw).map(([name, text]) => [name.toLowerCase(), text] as const));
  const take = <T>(name: string, parse: (text: string) => T | undefined, fallback: T): T => {
    const text = byName.get(name.toLowerCase());
    if (text === undefined || text === '') return fallback;
    const value = parse(text);
    if (value === undefined) ignored.push(`${name} = "${text}"`);
    return value ?? fallback;
  };
  const defaults = defaultDataplaneConfig;
  const config: DataplaneConfig = {
    nodeName,
    interfacePrefix: take('InterfacePrefix', text => text.split(',')[0] || undefined, defaults.interfacePrefix),
    endpointToHostAction: take('DefaultEndpointToHostAction', parseAction, defaults.endpointToHostAction),
    allowVxlanFromWorkloads: take('AllowVXLANPacketsFromWorkloads', parseBoolean, defaults.allowVxlanFromWorkloads),
    allowIpipFromWorkloads: take('AllowIPIPPacketsFromWorkloads', parseBoolean, defaults.allowIpipFromWorkloads),
    vxlanVni: take('VXLANVNI', parseInteger(1, 2 ** 24 - 1), defaults.vxlanVni),
    vxlanPort: take('VXLANPort', parseInteger(1, 65535), defaults.vxlanPort),
    vxlanMtu: take('VXLANMTU', parseInteger(0, 65535), defaults.vxlanMtu),
    routePriority: take('IPv4NormalRoutePriority', parseInteger(1, 2147483646), defaults.routePriority),
    deviceRouteProtocol: take('DeviceRouteProtocol', parseInteger(0, 255), defaults.deviceRouteProtocol),
    programNoEncapRoutes: take('ProgramClusterRoutes', parseClusterRoutes, defaults.programNoEncapRoutes),
    logPrefix: take('LogPrefix', text => text, defaults.logPrefix),
  };
  return { config, ignored };
}

function parseAction(text: string): 'drop' | 'return' | 'accept' | undefined {
  return (['drop', 'return', 'accept'] as const).find(action => action === text.toLowerCase());
}

function parseBoolean(text: string): boolean | undefined {
  if (/^(true|1|yes|y|t)$/i.test(text)) return true;
  return /^(false|0|no|n|f)$/i.test(text) ? false : undefined;
}

function parseInteger(least: number, most: number): (text: string) => number | undefined {
  return text => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : undefined;
  };
}

function parseClusterRoutes(text: string): boolean | undefined {
  if (text === 'Enabled' || text === 'EnabledNoEncapOnly') return true;
  return text === 'Disabled' || text === 'EnabledIPIPOnly' ? false : undefined;
}
