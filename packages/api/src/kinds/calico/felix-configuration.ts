import { parseAddr } from '@calico/ip';
import type { Static } from 'typebox';
import { ageColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { FieldErrors } from '../../field-error.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { cel, lazy, object } from '../../schema/build.ts';
import { always, filled, never } from './cel.ts';
import { bpfFields, generalFields, routingFields, tableFields } from './felix-fields.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';

const addressRule = (field: string, family: 4 | 6) =>
  always(
    `!${filled(field)} || (isIP(self.${field}) && ip(self.${field}).family() == ${family})`,
    `${field} must be an IPv${family} address`,
  );

const spec = lazy(() =>
  object(
    {},
    { ...generalFields(), ...tableFields(), ...routingFields(), ...bpfFields() },
    cel(
      never(
        'has(self.routeTableRange) && has(self.routeTableRanges)',
        'routeTableRanges replaces routeTableRange; give only one',
      ),
      addressRule('natOutgoingAddress', 4),
      addressRule('deviceRouteSourceAddress', 4),
      addressRule('deviceRouteSourceAddressIPv6', 6),
    ),
  ),
);

export type FelixConfigurationSpec = Static<ReturnType<typeof spec>>;
export type FelixConfiguration = Resource<FelixConfigurationSpec>;

const narrow = [heading<FelixConfiguration>('NAME', config => config.metadata.name)];

/** How the node agent works: `default` for all nodes, `node.<name>` for one, others by selector. */
export const FelixConfiguration: Kind<FelixConfiguration> = defineKind<FelixConfiguration>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'FelixConfiguration',
  plural: 'felixconfigurations',
  aliases: ['felixconfig', 'felixconfigs'],
  namespaced: false,
  description: 'How the node agent works: "default" is for all nodes, "node.<name>" for one, others by their selector.',
  spec,
  validations: () =>
    cel(
      never(
        "(self.metadata.name == 'default' || self.metadata.name.startsWith('node.')) && has(self.spec.nodeSelector)",
        'nodeSelector is not allowed in the configurations "default" and "node.<name>"',
      ),
    ),
  columns: [nameColumn(), ageColumn()],
  calicoctl: { narrow, wide: narrow },
  rules: felixConfigurationRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'FelixConfiguration',
    metadata: { name: 'default' },
    spec: { logSeverityScreen: 'Info', reportingInterval: '30s', vxlanPort: 4789, prometheusMetricsEnabled: true },
  }),
});

function felixConfigurationRules({ metadata, spec: felix }: FelixConfiguration, errors: FieldErrors): void {
  const own = metadata.name === 'default' || metadata.name.startsWith('node.');
  if (own && felix.nodeSelector !== undefined) {
    errors.forbidden('spec.nodeSelector', felix.nodeSelector, `not allowed in the configuration "${metadata.name}"`);
  }
  for (const [field, family] of [
    ['natOutgoingAddress', 4],
    ['deviceRouteSourceAddress', 4],
    ['deviceRouteSourceAddressIPv6', 6],
  ] as const) {
    const address = felix[field];
    if (address !== undefined && address !== '' && parseAddr(address)?.family !== family) {
      errors.invalid(`spec.${field}`, address, `must be an IPv${family} address`);
    }
  }
  const { routeTableRange: old, routeTableRanges: ranges } = felix;
  if (old !== undefined && ranges !== undefined) {
    errors.forbidden('spec.routeTableRange', old, 'not allowed together with routeTableRanges');
  }
  if (old !== undefined && !(old.min >= 1 && old.max >= old.min && old.max <= 250)) {
    errors.invalid('spec.routeTableRange', old, 'min and max must be from 1 to 250, min not above max');
  }
  for (const [i, range] of (ranges ?? []).entries()) {
    if (range.min < 1 || range.min > range.max) {
      errors.invalid(`spec.routeTableRanges[${i}]`, range, 'min must be at least 1 and not above max');
    }
  }
}
