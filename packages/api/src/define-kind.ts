import { type TSchema, Type } from 'typebox';
import { FieldErrors } from './field-error.ts';
import type { CalicoctlTable, Column, FieldLabel, Kind } from './kind.ts';
import { metadataSchema, type NameRule, validateMetadata } from './metadata.ts';
import type { Resource } from './resource.ts';
import { type Keywords, text } from './schema/build.ts';
import { applyDefaults } from './schema/defaults.ts';
import { isObject, type SchemaNode } from './schema/node.ts';
import { validateSchema } from './schema/validate.ts';

/** The one declaration of a kind, from which everything else about it follows. */
export interface Declaration<R extends Resource> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly aliases?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced: boolean;
  /** True unless said otherwise. */
  readonly served?: boolean;
  readonly description: string;
  /** 'subdomain' unless said otherwise. */
  readonly nameRule?: NameRule;
  readonly spec?: () => TSchema;
  /** False where a spec may be left out. */
  readonly specRequired?: boolean;
  /** Having one makes the status subresource. */
  readonly status?: () => TSchema;
  /** An object schema with the top-level fields besides spec and status. */
  readonly fields?: () => TSchema;
  /** Rules of the whole object, for the API server (`cel`). */
  readonly validations?: () => Keywords;
  readonly columns: readonly Column<R>[];
  readonly calicoctl?: CalicoctlTable<R>;
  readonly fieldLabels?: { readonly [label: string]: FieldLabel<R> };
  /** After the schema's defaults. It owns the object it is given and may change it. */
  defaults?(r: R): R;
  /** What the schema cannot say; called only with an object that fits the schema. */
  rules?(r: R, errors: FieldErrors, old: R | undefined): void;
  example(): R;
}

/** Turns a declaration into a kind. Nothing is built before it is asked for. */
export function defineKind<R extends Resource>(declaration: Declaration<R>): Kind<R> {
  const { group, version, kind, namespaced } = declaration;
  const apiVersion = group === '' ? version : `${group}/${version}`;
  let schema: TSchema | undefined;
  const wholeSchema = (): TSchema => {
    schema ??= buildSchema(declaration);
    return schema;
  };
  const labels: { [label: string]: FieldLabel<R> } = { 'metadata.name': { value: r => r.metadata.name } };
  if (namespaced) labels['metadata.namespace'] = { value: r => r.metadata.namespace ?? '' };
  return {
    group,
    version,
    apiVersion,
    kind,
    listKind: `${kind}List`,
    plural: declaration.plural,
    singular: kind.toLowerCase(),
    shortNames: declaration.shortNames ?? [],
    aliases: declaration.aliases ?? [],
    categories: declaration.categories ?? [],
    namespaced,
    served: declaration.served ?? true,
    statusSubresource: declaration.status !== undefined,
    description: declaration.description,
    get schema() {
      return wholeSchema();
    },
    columns: declaration.columns,
    calicoctl: declaration.calicoctl,
    fieldLabels: { ...labels, ...declaration.fieldLabels },
    example: () => ({ ...declaration.example() }),
    default: r => {
      const defaulted = applyDefaults(wholeSchema(), r);
      return isObject(defaulted) ? (declaration.defaults?.(defaulted) ?? defaulted) : defaulted;
    },
    validate: (r, old) => {
      const errors = new FieldErrors();
      validateSchema(wholeSchema(), r, '', errors);
      const fits = errors.list.length === 0;
      if (r?.apiVersion !== apiVersion) {
        errors.invalid('apiVersion', r?.apiVersion, `must be ${JSON.stringify(apiVersion)}`);
      }
      if (r?.kind !== kind) errors.invalid('kind', r?.kind, `must be ${JSON.stringify(kind)}`);
      if (fits) {
        const stored = old !== undefined && fitsSchema(wholeSchema(), old) ? old : undefined;
        validateMetadata(
          r.metadata,
          { namespaced, nameRule: declaration.nameRule ?? 'subdomain' },
          errors,
          stored?.metadata,
        );
        declaration.rules?.(named(r), errors, stored);
      }
      return errors.list;
    },
  };
}

function fitsSchema(schema: TSchema, value: unknown): boolean {
  const errors = new FieldErrors();
  validateSchema(schema, value, '', errors);
  return errors.list.length === 0;
}

/** The rules may look at the name, also of an object whose name is still to be made from generateName. */
function named<R extends Resource>(r: R): R {
  return r.metadata.name === undefined ? { ...r, metadata: { ...r.metadata, name: '' } } : r;
}

function buildSchema<R extends Resource>(declaration: Declaration<R>): TSchema {
  const others: SchemaNode = declaration.fields?.() ?? {};
  const required = ['metadata', ...(others.required ?? [])];
  if (declaration.spec !== undefined && declaration.specRequired !== false) required.push('spec');
  const properties: Record<string, object> = {
    apiVersion: text({ description: 'Group and version of this kind.' }),
    kind: text({ description: 'The kind of object.' }),
    metadata: metadataSchema(),
    ...others.properties,
  };
  if (declaration.spec !== undefined) properties.spec = declaration.spec();
  if (declaration.status !== undefined) properties.status = declaration.status();
  return Type.Unsafe({
    type: 'object',
    required,
    properties,
    description: declaration.description,
    ...declaration.validations?.(),
  });
}
