import { CREATION_PATH } from '../columns.ts';
import type { Column, Kind } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { isObject } from '../schema/node.ts';
import { type StructuralSchema, structuralSchema } from './structural.ts';
import { v1Form } from './v1-form.ts';

/** The groups, each in its one version, that CustomResourceDefinitions are made for. */
export type CrdGroup = 'projectcalico.org/v3' | 'crd.projectcalico.org/v1' | 'policy.networking.k8s.io/v1alpha2';

/** A printer column of a CustomResourceDefinition. */
export interface CrdColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description?: string;
}

/** One version of a CustomResourceDefinition. */
export interface CrdVersion {
  readonly name: string;
  readonly served: true;
  readonly storage: true;
  readonly additionalPrinterColumns?: readonly CrdColumn[];
  readonly selectableFields?: readonly { readonly jsonPath: string }[];
  readonly subresources?: { readonly status: Record<never, never> };
  readonly schema: { readonly openAPIV3Schema: StructuralSchema };
}

/** A CustomResourceDefinition of apiextensions.k8s.io/v1; plain JSON data. */
export interface Crd {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly names: {
      readonly kind: string;
      readonly listKind: string;
      readonly plural: string;
      readonly singular: string;
      readonly shortNames?: readonly string[];
    };
    readonly scope: 'Cluster' | 'Namespaced';
    readonly versions: readonly [CrdVersion];
  };
}

/** Kinds that are derived from others on Kubernetes, and so have no CustomResourceDefinition. */
const DERIVED = new Set(['LiveMigration', 'Profile', 'WorkloadEndpoint']);

/** The proposal that lets a group of Kubernetes itself come from outside of it. */
const APPROVED = { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/network-policy-api/pull/347' };

/** Whether a kind has a CustomResourceDefinition in this group. */
export function hasCrd<R extends Resource>(kind: Kind<R>, group: CrdGroup): boolean {
  const own = group === 'crd.projectcalico.org/v1' ? 'projectcalico.org/v3' : group;
  return kind.apiVersion === own && !DERIVED.has(kind.kind);
}

/**
 * The CustomResourceDefinition of a kind. The group crd.projectcalico.org/v1 keeps the same objects in an older form:
 * other names, no printer columns, few checks (see `v1-form.ts`).
 */
export function crdOf<R extends Resource>(kind: Kind<R>, group: CrdGroup): Crd {
  const [name = '', version = ''] = group.split('/');
  const older = group === 'crd.projectcalico.org/v1';
  const whole = rootSchema(kind);
  const form = older ? v1Form(kind, whole) : { kind: kind.kind, plural: kind.plural, schema: whole };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${form.plural}.${name}`, ...(name.endsWith('.k8s.io') ? { annotations: APPROVED } : {}) },
    spec: {
      group: name,
      names: {
        kind: form.kind,
        listKind: `${form.kind}List`,
        plural: form.plural,
        singular: form.kind.toLowerCase(),
        ...(older || kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
      },
      scope: kind.namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          ...(older ? {} : { ...printerColumns(kind.columns), ...selectableFields(kind) }),
          ...(kind.statusSubresource ? { subresources: { status: {} } } : {}),
          schema: { openAPIV3Schema: form.schema },
        },
      ],
    },
  };
}

/** The schema of the whole object; of its metadata a CustomResourceDefinition says only that it is there. */
function rootSchema<R extends Resource>(kind: Kind<R>): StructuralSchema {
  const schema = structuralSchema(kind.schema);
  if (isObject(schema.properties)) schema.properties.metadata = { type: 'object' };
  return schema;
}

/** Without any, an API server shows the age alone. */
function printerColumns<R extends Resource>(
  columns: readonly Column<R>[],
): {
  additionalPrinterColumns?: readonly CrdColumn[];
} {
  const printed = columns.flatMap(({ name, type, jsonPath, description }) => {
    if (jsonPath === undefined) return [];
    const printedType = jsonPath === CREATION_PATH ? 'date' : type;
    return [{ name, type: printedType, jsonPath, ...(description === '' ? {} : { description }) }];
  });
  return printed.every(({ jsonPath }) => jsonPath === CREATION_PATH) ? {} : { additionalPrinterColumns: printed };
}

function selectableFields<R extends Resource>(kind: Kind<R>): { selectableFields?: { jsonPath: string }[] } {
  const labels = Object.keys(kind.fieldLabels).filter(label => !label.startsWith('metadata.'));
  return labels.length === 0 ? {} : { selectableFields: labels.map(label => ({ jsonPath: `.${label}` })) };
}
