import type { FieldError, Resource } from '@calico/api';

/** Fields of a GlobalNetworkPolicy that speak of host endpoints alone. */
const HOST_FIELDS = ['doNotTrack', 'preDNAT', 'applyOnForward'] as const;

/** Kinds of which nothing is enforced. */
const UNENFORCED_KINDS: { readonly [kind: string]: string } = {
  HostEndpoint: 'policy of host endpoints is not enforced yet; allowed: policy for pods',
};

/**
 * What a policy, or an endpoint that policy is for, asks of the nodes and no dataplane of ours enforces yet. An API server
 * refuses such an object: to store it and then do without it would look like protection.
 */
export function unsupportedFields(resource: Pick<Resource, 'kind' | 'spec'>): FieldError[] {
  const { kind } = resource;
  const unenforced = Object.hasOwn(UNENFORCED_KINDS, kind) ? UNENFORCED_KINDS[kind] : undefined;
  if (unenforced !== undefined) return [{ path: 'kind', value: kind, message: unenforced, code: 'NotSupported' }];
  const spec = asRecord(resource.spec);
  const errors: FieldError[] = [];
  for (const field of HOST_FIELDS) {
    if (spec[field] === true) {
      const message = 'policy of host endpoints is not enforced yet; allowed: false';
      errors.push({ path: `spec.${field}`, value: true, message, code: 'NotSupported' });
    }
  }
  for (const direction of ['ingress', 'egress']) {
    for (const [i, rule] of asList(spec[direction]).entries()) {
      const { http } = asRecord(rule);
      if (http === undefined || http === null) continue;
      const message = 'HTTP matches are not enforced yet; allowed: ports and addresses';
      errors.push({ path: `spec.${direction}[${i}].http`, value: http, message, code: 'NotSupported' });
    }
  }
  return errors;
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
