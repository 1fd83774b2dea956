import { parseAddr } from '@calico/ip';
import type { FieldErrors } from '../../field-error.ts';
import type { BGPConfiguration } from './bgp-configuration.ts';

/** Fields that only the configuration of the whole cluster may have. */
const GLOBAL_FIELDS = [
  'nodeToNodeMeshEnabled',
  'asNumber',
  'serviceLoadBalancerIPs',
  'serviceExternalIPs',
  'serviceClusterIPs',
  'nodeMeshPassword',
  'nodeMeshMaxRestartTime',
] as const;

/** The cross-field rules of a BGP configuration. */
export function bgpConfigurationRules(config: BGPConfiguration, errors: FieldErrors): void {
  const { spec, metadata } = config;
  if (metadata.name !== 'default') {
    if (!/^node\../.test(metadata.name)) {
      errors.invalid('metadata.name', metadata.name, 'must be "default" or "node.<name of a node>"');
    }
    for (const field of GLOBAL_FIELDS) {
      if (spec[field] !== undefined)
        errors.forbidden(`spec.${field}`, spec[field], 'allowed only in the configuration "default"');
    }
  }
  for (const field of ['nodeMeshPassword', 'nodeMeshMaxRestartTime'] as const) {
    if (spec[field] !== undefined && spec.nodeToNodeMeshEnabled === false) {
      errors.forbidden(`spec.${field}`, spec[field], 'not allowed when nodeToNodeMeshEnabled is false');
    }
  }
  communityRules(config, errors);
  for (const [i, pattern] of (spec.ignoredInterfaces ?? []).entries()) {
    if (pattern === '*' || !/^[a-zA-Z0-9_.*-]{1,15}$/.test(pattern)) {
      errors.invalid(
        `spec.ignoredInterfaces[${i}]`,
        pattern,
        'must be the name of an interface, "*" in it allowed but not alone',
      );
    }
  }
  for (const [field, family] of [
    ['localWorkloadPeeringIPV4', 4],
    ['localWorkloadPeeringIPV6', 6],
  ] as const) {
    const address = spec[field];
    if (address !== undefined && address !== '' && parseAddr(address)?.family !== family) {
      errors.invalid(`spec.${field}`, address, `must be an IPv${family} address`);
    }
  }
}

function communityRules({ spec }: BGPConfiguration, errors: FieldErrors): void {
  const communities = spec.communities ?? [];
  const advertisements = spec.prefixAdvertisements ?? [];
  if (communities.length > 0 && advertisements.length === 0) {
    errors.required('spec.prefixAdvertisements', 'at least one prefix when communities are defined');
  }
  const names = new Set<string>();
  for (const [i, { name, value }] of communities.entries()) {
    if (name !== undefined) names.add(name);
    if (value !== undefined && !isCommunity(value))
      errors.invalid(`spec.communities[${i}].value`, value, `must be ${COMMUNITY}`);
  }
  for (const [i, { communities: carried }] of advertisements.entries()) {
    for (const [j, community] of (carried ?? []).entries()) {
      if (names.has(community) || isCommunity(community)) continue;
      const path = `spec.prefixAdvertisements[${i}].communities[${j}]`;
      errors.invalid(path, community, `must be ${COMMUNITY}, or a name in spec.communities`);
    }
  }
}

const COMMUNITY = '"aa:nn" with numbers to 65535, or "aa:nn:mm" with numbers to 4294967295';

/** Whether this is a standard (16 bit parts) or a large (32 bit parts) BGP community. */
function isCommunity(text: string): boolean {
  const parts = text.split(':');
  if ((parts.length !== 2 && parts.length !== 3) || !parts.every(part => /^\d{1,10}$/.test(part))) return false;
  const limit = parts.length === 2 ? 0xffff : 0xffffffff;
  return parts.every(part => Number(part) <= limit);
}
