import { cidrContains, parseAddr, parseCidr } from '@calico/ip';
import { endpointNameBySpec } from '../../conversion/names.ts';
import type { FieldErrors } from '../../field-error.ts';
import { isNetworkName } from '../../names.ts';
import { hasPorts, protocolNumber } from '../../ports.ts';
import type { HostEndpoint } from './host-endpoint.ts';
import type { Profile } from './profile.ts';
import { rulesRules } from './rule-rules.ts';
import type { WorkloadEndpoint } from './workload-endpoint.ts';

/** A host endpoint is on a node and can be found there. */
export function hostEndpointRules(endpoint: HostEndpoint, errors: FieldErrors): void {
  const { node, interfaceName, expectedIPs, ports, profiles } = endpoint.spec;
  if ((node ?? '') === '') errors.required('spec.node', 'the node that the interface is on');
  if ((interfaceName ?? '') === '' && (expectedIPs ?? []).length === 0) {
    errors.required('spec.interfaceName', 'an interface name, or at least one address in expectedIPs');
  }
  for (const [i, { protocol }] of (ports ?? []).entries()) {
    if (!hasPorts(protocolNumber(protocol))) {
      errors.invalid(`spec.ports[${i}].protocol`, protocol, 'must be a protocol with ports: TCP, UDP or SCTP');
    }
  }
  profileNames(profiles, errors);
}

function profileNames(profiles: readonly string[] | undefined, errors: FieldErrors): void {
  for (const [i, profile] of (profiles ?? []).entries()) {
    if (!isNetworkName(profile)) {
      errors.invalid(
        `spec.profiles[${i}]`,
        profile,
        'must be the name of a profile: lower-case letters, digits, "-", "_" and "."',
      );
    }
  }
}

/** The rules of a workload endpoint. Its name follows from its spec. */
export function workloadEndpointRules(endpoint: WorkloadEndpoint, errors: FieldErrors): void {
  const { ipNetworks, ipNATs, ports, profiles } = endpoint.spec;
  const networks = (ipNetworks ?? []).map(parseCidr);
  for (const [i, network] of networks.entries()) {
    const full = network?.addr.family === 6 ? 128 : 32;
    if (network !== undefined && network.length !== full) {
      errors.invalid(`spec.ipNetworks[${i}]`, ipNetworks?.[i], `must be one address: a prefix length of ${full}`);
    }
  }
  for (const [i, { internalIP, externalIP }] of (ipNATs ?? []).entries()) {
    const internal = parseAddr(internalIP);
    const external = parseAddr(externalIP);
    if (internal === undefined || external === undefined) continue;
    if (internal.family !== external.family) {
      errors.invalid(
        `spec.ipNATs[${i}].externalIP`,
        externalIP,
        `must be IPv${internal.family} like internalIP "${internalIP}"`,
      );
    }
    if (!networks.some(network => network !== undefined && cidrContains(network, internal))) {
      errors.invalid(`spec.ipNATs[${i}].internalIP`, internalIP, 'must be one of the addresses in ipNetworks');
    }
  }
  for (const [i, { name, protocol, hostPort }] of (ports ?? []).entries()) {
    if ((name ?? '') === '' && (hostPort ?? 0) === 0) {
      errors.required(`spec.ports[${i}].name`, 'a name, unless there is a hostPort');
    }
    if (!hasPorts(protocolNumber(protocol))) {
      errors.invalid(`spec.ports[${i}].protocol`, protocol, 'must be a protocol with ports: TCP, UDP or SCTP');
    }
  }
  profileNames(profiles, errors);
  endpointName(endpoint, errors);
}

function endpointName({ metadata, spec }: WorkloadEndpoint, errors: FieldErrors): void {
  const wanted = endpointNameBySpec(spec);
  if ('field' in wanted) {
    const message = `must be there, and begin and end with another character than "-"; the name is made of it`;
    errors.invalid(`spec.${wanted.field}`, spec[wanted.field], message);
  } else if (metadata.name !== wanted.name) {
    errors.invalid('metadata.name', metadata.name, `must be "${wanted.name}", as spec says`);
  }
}

/** The rules of a profile's rules. */
export function profileRules(profile: Profile, errors: FieldErrors): void {
  rulesRules(profile.spec.ingress, { path: 'spec.ingress', direction: 'ingress', namespaced: false }, errors);
  rulesRules(profile.spec.egress, { path: 'spec.egress', direction: 'egress', namespaced: false }, errors);
}
