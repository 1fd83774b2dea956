import type { EndpointKey } from '@calico/api';
import type { LocalEndpoint } from '@calico/calc';

/** The folder of the files below EndpointStatusPathPrefix. */
export const statusFolder = 'endpoint-status';

/** A file for an endpoint whose rules are in force: `k8s shop%2Fweb eth0`, each part escaped as Go does in paths. */
export function statusFileName({ orchestrator, workload, endpoint }: EndpointKey): string {
  return [orchestrator, workload, endpoint].map(escapePath).join(' ');
}

/** What stands in it: by Calico's names, what is empty left out. */
export function statusFileContent({ name, mac, ipv4, ipv6 }: LocalEndpoint): string {
  return JSON.stringify({
    ifaceName: name,
    ...(mac === undefined ? {} : { mac }),
    ...(ipv4.length === 0 ? {} : { ipv4Nets: ipv4 }),
    ...(ipv6.length === 0 ? {} : { ipv6Nets: ipv6 }),
  });
}

/** Go's url.PathEscape: it leaves `$&+=:@` as they are, and escapes `!'()*`. */
function escapePath(text: string): string {
  return encodeURIComponent(text)
    .replace(/%(24|26|2B|3D|3A|40)/g, escaped => decodeURIComponent(escaped))
    .replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
