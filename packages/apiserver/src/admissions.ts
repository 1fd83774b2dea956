/** The rules about writes that this server applies by itself. */
import type { AnyResource } from '@calico/api';
import { type Cidr, cidrsOverlap, parseCidr, printCidr } from '@calico/ip';
import type { Admission, AdmissionRequest } from './admission.ts';
import { cidrWarnings } from './cidr-warnings.ts';
import { definitionAdmission } from './custom-resources/definition-admission.ts';
import { isJsonObject } from './json.ts';
import { resourceName } from './kind-registry.ts';
import { conflict, forbidden, invalid, type StatusCause } from './status.ts';

const CALICO = 'projectcalico.org';
const TIERED = new Set(['NetworkPolicy', 'GlobalNetworkPolicy', 'StagedNetworkPolicy', 'StagedGlobalNetworkPolicy']);
const TIERED_PLURALS = [
  'networkpolicies',
  'globalnetworkpolicies',
  'stagednetworkpolicies',
  'stagedglobalnetworkpolicies',
];
const BUILT_IN_TIERS = new Set(['kube-admin', 'default', 'kube-baseline']);
const PERMANENT_NAMESPACES = new Set(['default', 'kube-system', 'kube-public']);

function specField(object: AnyResource, field: string): unknown {
  return isJsonObject(object.spec) ? object.spec[field] : undefined;
}

function refuseField(request: AdmissionRequest, cause: StatusCause): never {
  throw invalid({ group: request.kind.group, kind: request.kind.kind, name: request.name }, [cause]);
}

const isTiered = (request: AdmissionRequest): boolean => request.kind.group === CALICO && TIERED.has(request.kind.kind);

const tierOf = (object: AnyResource): string => {
  const tier = specField(object, 'tier');
  return typeof tier === 'string' && tier !== '' ? tier : 'default';
};

/** Policies name a tier that exists. */
const policyTier: Admission = {
  name: 'policy-tier',
  validate: request => {
    if (request.operation === 'delete' || !isTiered(request)) return;
    const tier = tierOf(request.object);
    if (request.old !== undefined && tierOf(request.old) === tier) return;
    if (request.get(`${CALICO}/tiers`, '', tier) !== undefined) return;
    refuseField(request, {
      reason: 'FieldValueNotFound',
      field: 'spec.tier',
      message: `Not found: ${JSON.stringify(tier)}: the tier must exist before policies are put into it`,
    });
  },
};

/** Built-in tiers stay, and so does a tier that policies are in. */
const tierProtection: Admission = {
  name: 'tier-protection',
  validate: request => {
    const { kind, name } = request;
    if (request.operation !== 'delete' || kind.group !== CALICO || kind.kind !== 'Tier') return;
    const subject = { group: kind.group, plural: kind.plural, name };
    if (BUILT_IN_TIERS.has(name)) throw forbidden(subject, 'built-in tiers cannot be deleted');
    for (const plural of TIERED_PLURALS) {
      const user = request.list(`${CALICO}/${plural}`).find(entry => tierOf(entry.object) === name);
      if (user === undefined) continue;
      const of = user.namespace === '' ? user.name : `${user.namespace}/${user.name}`;
      throw conflict(subject, `the tier is not empty: it holds ${plural} "${of}"`);
    }
  },
};

function poolCidr(object: AnyResource): Cidr | undefined {
  const text = specField(object, 'cidr');
  return typeof text === 'string' ? parseCidr(text) : undefined;
}

/** IP pools do not overlap. */
const poolOverlap: Admission = {
  name: 'pool-overlap',
  validate: request => {
    const { kind, object } = request;
    if (request.operation === 'delete' || kind.group !== CALICO || kind.kind !== 'IPPool') return;
    const own = poolCidr(object);
    if (own === undefined) return;
    for (const other of request.list(resourceName(kind))) {
      const cidr = other.name === request.name ? undefined : poolCidr(other.object);
      if (cidr === undefined || !cidrsOverlap(own, cidr)) continue;
      refuseField(request, {
        reason: 'FieldValueInvalid',
        field: 'spec.cidr',
        message: `Invalid value: ${JSON.stringify(printCidr(own))}: overlaps IPPool "${other.name}" (${printCidr(cidr)})`,
      });
    }
  },
};

/** A namespace goes only when it is empty: nobody but its controller takes the finalizer away. Three of them stay. */
const namespaceLifecycle: Admission = {
  name: 'namespace-lifecycle',
  mutate: request => {
    const { object, old, kind } = request;
    if (kind.group !== '' || kind.kind !== 'Namespace' || request.operation === 'delete') return object;
    if (old === undefined) return { ...object, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } };
    return request.subresource === 'finalize' ? object : { ...object, spec: old.spec };
  },
  validate: request => {
    const { kind, name } = request;
    if (request.operation !== 'delete' || kind.group !== '' || kind.kind !== 'Namespace') return;
    if (PERMANENT_NAMESPACES.has(name)) {
      throw forbidden({ group: '', plural: 'namespaces', name }, 'this namespace may not be deleted');
    }
  },
};

/** The admissions of every server, in order. */
export const builtInAdmissions: readonly Admission[] = [
  policyTier,
  tierProtection,
  poolOverlap,
  namespaceLifecycle,
  definitionAdmission,
  cidrWarnings,
];
