import type { Static } from 'typebox';
import { fieldColumn, heading, nameColumn, printOrder } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { cel, decimal, lazy, object, oneOf } from '../../schema/build.ts';
import { conditions } from '../condition.ts';
import { always } from './cel.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { BUILT_IN_TIERS, tierRules } from './tier-rules.ts';

const spec = lazy(() =>
  object(
    {},
    {
      order: decimal({ description: 'Lower tiers are looked at first; without it, last.' }),
      defaultAction: oneOf(['Pass', 'Deny'], {
        default: 'Deny',
        description: 'What happens to a packet that policies of the tier apply to, and no rule decides.',
      }),
    },
  ),
);
const status = lazy(() => object({}, { conditions: conditions() }));

export type TierSpec = Static<ReturnType<typeof spec>>;
export type TierStatus = Static<ReturnType<typeof status>>;
export type Tier = Resource<TierSpec, TierStatus>;

const narrow = [
  heading<Tier>('NAME', tier => tier.metadata.name),
  heading<Tier>('ORDER', tier => printOrder(tier.spec.order)),
];

/** A group of policies; tiers are looked at in order. */
export const Tier: Kind<Tier> = defineKind<Tier>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'Tier',
  plural: 'tiers',
  namespaced: false,
  description: 'A group of policies. Tiers are looked at in order; each decides a packet or passes it on.',
  nameRule: 'label',
  spec,
  status,
  validations: () =>
    cel(
      ...Object.entries(BUILT_IN_TIERS).flatMap(([name, { order, defaultAction }]) => [
        always(
          `self.metadata.name != '${name}' || (has(self.spec.order) && self.spec.order == ${order}.0)`,
          `order must be ${order} for the built-in tier "${name}"`,
        ),
        always(
          `self.metadata.name != '${name}' || (has(self.spec.defaultAction) && self.spec.defaultAction == '${defaultAction}')`,
          `defaultAction must be ${defaultAction} for the built-in tier "${name}"`,
        ),
      ]),
    ),
  columns: [
    nameColumn(),
    fieldColumn('Order', 'integer', '.spec.order', 'Order in which the tier is applied'),
    fieldColumn('DefaultAction', 'string', '.spec.defaultAction', 'What happens to undecided packets'),
    fieldColumn('Status', 'string', ".status.conditions[?(@.type=='Ready')].reason", 'Whether the tier is ready'),
  ],
  calicoctl: { narrow, wide: narrow },
  rules: tierRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'Tier',
    metadata: { name: 'security' },
    spec: { order: 300, defaultAction: 'Deny' },
  }),
});
