import type { Static } from 'typebox';
import { ageColumn, column, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { AnyResource } from '../../resource.ts';
import { flag, lazy, list, listMap, mergedBy, object, open, text } from '../../schema/build.ts';

const fields = lazy(() =>
  object(
    {},
    {
      secrets: listMap(open({ name: text() }), ['name'], mergedBy('name')),
      imagePullSecrets: list(object({}, { name: text() })),
      automountServiceAccountToken: flag(),
    },
  ),
);

export type ServiceAccount = AnyResource & Static<ReturnType<typeof fields>>;

/** Who a pod is. */
export const ServiceAccount: Kind<ServiceAccount> = defineKind<ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  description: 'Who a pod is; policies select it by name or labels.',
  fields,
  columns: [nameColumn(), column('Secrets', 'string', account => String(account.secrets?.length ?? 0)), ageColumn()],
  example: () => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'cart', namespace: 'shop' } }),
});
