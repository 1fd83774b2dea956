import type { Static } from 'typebox';
import { toBase64 } from '../../base64.ts';
import { ageColumn, column, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { FieldErrors } from '../../field-error.ts';
import { printJson } from '../../json.ts';
import type { Kind } from '../../kind.ts';
import type { AnyResource } from '../../resource.ts';
import { flag, lazy, object, text, textMap } from '../../schema/build.ts';
import { isObject } from '../../schema/node.ts';

const configMapFields = lazy(() =>
  object({}, { data: textMap(), binaryData: textMap({ description: 'In base64.' }), immutable: flag() }),
);

export type ConfigMap = AnyResource & Static<ReturnType<typeof configMapFields>>;

/** Settings, by key. */
export const ConfigMap: Kind<ConfigMap> = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  namespaced: true,
  description: 'Settings for programs, by key.',
  fields: configMapFields,
  columns: [
    nameColumn(),
    column('Data', 'string', map =>
      String(Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length),
    ),
    ageColumn(),
  ],
  rules: (map, errors, old) => {
    keyRules(map.data, 'data', errors);
    keyRules(map.binaryData, 'binaryData', errors);
    immutableRules(map, old, ['data', 'binaryData'], errors);
  },
  example: () => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'shop' },
    data: { 'color.conf': 'blue' },
  }),
});

const secretFields = lazy(() =>
  object(
    {},
    {
      type: text({ default: 'Opaque' }),
      data: textMap({ description: 'In base64.' }),
      stringData: textMap({ description: 'Plain text, written only: it is moved into data.' }),
      immutable: flag(),
    },
  ),
);

export type Secret = AnyResource & Static<ReturnType<typeof secretFields>>;

/** Settings that are not for everybody's eyes. */
export const Secret: Kind<Secret> = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  description: "Settings that are not for everybody's eyes, by key, in base64.",
  fields: secretFields,
  columns: [
    nameColumn(),
    column('Type', 'string', secret => secret.type ?? 'Opaque'),
    column('Data', 'string', secret => String(Object.keys(secret.data ?? {}).length)),
    ageColumn(),
  ],
  defaults: secret => {
    const { stringData } = secret;
    if (!isObject(stringData) || (secret.data !== undefined && !isObject(secret.data))) return secret;
    const data: Record<string, string> = { ...secret.data };
    for (const [key, value] of Object.entries(stringData)) {
      if (typeof value !== 'string') return secret;
      data[key] = toBase64(value);
    }
    const { stringData: _, ...rest } = secret;
    return { ...rest, data };
  },
  fieldLabels: { type: { value: secret => secret.type ?? '' } },
  rules: (secret, errors, old) => {
    keyRules(secret.data, 'data', errors);
    for (const [key, value] of Object.entries(secret.data ?? {})) {
      if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value)) errors.invalid(`data[${key}]`, '…', 'must be base64');
    }
    immutableRules(secret, old, ['data', 'type'], errors);
  },
  example: () => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'bgp', namespace: 'kube-system' },
    type: 'Opaque',
    data: { password: 'c2VjcmV0' },
  }),
});

function keyRules(data: { readonly [key: string]: string } | undefined, path: string, errors: FieldErrors): void {
  for (const key of Object.keys(data ?? {})) {
    if (!/^[-._a-zA-Z0-9]{1,253}$/.test(key) || key === '.' || key.startsWith('..')) {
      errors.invalid(
        path,
        key,
        'every key must be letters, digits, "-", "_", "." (at most 253), not starting with ".."',
      );
    }
  }
}

function immutableRules<R extends AnyResource & { immutable?: boolean }>(
  r: R,
  old: R | undefined,
  fields: readonly (keyof R & string)[],
  errors: FieldErrors,
): void {
  if (old?.immutable !== true) return;
  if (r.immutable !== true) errors.forbidden('immutable', r.immutable, 'cannot be changed; it is true');
  for (const field of fields) {
    if (printJson(r[field]) !== printJson(old[field])) {
      errors.forbidden(field, '…', 'cannot be changed: immutable is true');
    }
  }
}
