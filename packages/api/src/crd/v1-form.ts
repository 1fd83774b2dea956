import type { Kind } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { isObject } from '../schema/node.ts';
import type { StructuralSchema } from './structural.ts';

/** How the group crd.projectcalico.org/v1 writes one kind differently. */
interface Difference {
  readonly kind?: string;
  readonly plural?: string;
  /** Further fields of the spec that must be there. */
  readonly required?: readonly string[];
  /** Keywords that replace those of a field of the spec; undefined takes a keyword away. */
  readonly fields?: { readonly [field: string]: StructuralSchema };
}

const NO_LIST_TYPE = { 'x-kubernetes-list-type': undefined };

const DIFFERENCES: { readonly [kind: string]: Difference } = {
  BlockAffinity: {
    required: ['deleted'],
    fields: {
      cidr: { format: undefined },
      deleted: { type: 'string', default: undefined },
      state: { enum: undefined },
    },
  },
  IPAMBlock: {
    fields: {
      affinity: { pattern: undefined },
      allocations: NO_LIST_TYPE,
      attributes: NO_LIST_TYPE,
      cidr: { format: undefined },
      unallocated: NO_LIST_TYPE,
    },
  },
  IPAMConfiguration: {
    kind: 'IPAMConfig',
    plural: 'ipamconfigs',
    fields: {
      autoAllocateBlocks: { default: undefined },
      ipCooldownSeconds: { format: undefined },
      maxBlocksPerHost: { default: undefined, format: undefined, maximum: 2147483647 },
      strictAffinity: { default: undefined },
    },
  },
};

/** Kinds whose objects must have metadata and spec in that group too. */
const REQUIRED = new Set(['Tier']);

/** The names and the schema of a kind in the group crd.projectcalico.org/v1; `schema` is changed. */
export function v1Form<R extends Resource>(
  kind: Kind<R>,
  schema: StructuralSchema,
): { readonly kind: string; readonly plural: string; readonly schema: StructuralSchema } {
  const difference: Difference = DIFFERENCES[kind.kind] ?? {};
  if (!REQUIRED.has(kind.kind)) delete schema.required;
  const properties = isObject(schema.properties) ? schema.properties : {};
  const spec = isObject(properties.spec) ? properties.spec : {};
  const fields = isObject(spec.properties) ? spec.properties : {};
  for (const [field, keywords] of Object.entries(difference.fields ?? {})) {
    const { [field]: before } = fields;
    if (!isObject(before)) continue;
    for (const [keyword, value] of Object.entries(keywords)) {
      if (value === undefined) delete before[keyword];
      else before[keyword] = value;
    }
  }
  const { required } = difference;
  if (required !== undefined) spec.required = [...(Array.isArray(spec.required) ? spec.required : []), ...required];
  return { kind: difference.kind ?? kind.kind, plural: difference.plural ?? kind.plural, schema };
}
