import type { Static } from 'typebox';
import { ageColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { cel, formatted, integer, lazy, list, matching, object, oneOf } from '../../schema/build.ts';
import { bgpFilterRules } from './bgp-filter-rules.ts';
import { always, filled } from './cel.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { upTo } from './number-pattern.ts';
import { asNumber, routePriority } from './values.ts';

const ATOMIC = { 'x-kubernetes-map-type': 'atomic' };

const community = lazy(() => {
  const [short, long] = [upTo(0xffff), upTo(0xffffffff)];
  return matching(
    `^(${short}:${short}|${long}:${long}:${long})$`,
    '"aa:nn" with numbers to 65535, or "aa:nn:mm" with numbers to 4294967295',
    { maxLength: 32, description: 'A standard community "aa:nn" or a large one "aa:nn:mm".' },
  );
});

const operation = lazy(() =>
  object(
    {},
    {
      addCommunity: object({ value: community() }, {}, { ...ATOMIC, description: 'Adds a community to the route.' }),
      prependASPath: object(
        { prefix: list(asNumber('An AS number.'), { minItems: 1, maxItems: 10 }) },
        {},
        { ...ATOMIC, description: 'Puts these AS numbers, as listed, in front of the path.' },
      ),
      setPriority: object(
        { value: routePriority('The new priority.') },
        {},
        { ...ATOMIC, description: 'Sets the priority.' },
      ),
    },
    { ...ATOMIC, minProperties: 1, maxProperties: 1 },
  ),
);

const filterRuleValidations = () =>
  cel(
    always(`${filled('cidr')} == ${filled('matchOperator')}`, 'cidr and matchOperator must be given together'),
    always(`!has(self.prefixLength) || ${filled('cidr')}`, 'prefixLength needs cidr'),
    always(`!${filled('operations')} || self.action == 'Accept'`, 'only a rule with action Accept changes routes'),
  );

const filterRules = (description: string, maxCidrLength: number, bits: number) =>
  list(
    object(
      { action: oneOf(['Accept', 'Reject'], { description: 'What happens to a route that matches.' }) },
      {
        cidr: formatted('net', { format: 'cidr', maxLength: maxCidrLength, description: 'Compared by matchOperator.' }),
        matchOperator: oneOf(['Equal', 'NotEqual', 'In', 'NotIn'], {
          description: 'How the destination of the route compares with cidr.',
        }),
        prefixLength: object(
          {},
          {
            min: integer({ format: 'int32', minimum: 0, maximum: bits, description: 'The shortest prefix.' }),
            max: integer({ format: 'int32', minimum: 0, maximum: bits, description: 'The longest prefix.' }),
          },
          { ...ATOMIC, description: 'Which prefix lengths within cidr match.' },
        ),
        source: oneOf(['RemotePeers'], { description: 'Only routes that were learned over BGP.' }),
        interface: formatted('interface-pattern', {
          maxLength: 15,
          description: 'The interface that the route leads to, "*" in it allowed.',
        }),
        peerType: oneOf(['eBGP', 'iBGP'], { description: 'Only peers of other ASes, or only those of our own.' }),
        communities: object(
          { values: list(community(), { minItems: 1, maxItems: 1, description: 'The community.' }) },
          {},
          { ...ATOMIC, description: 'Only routes with this community.' },
        ),
        asPathPrefix: list(asNumber('An AS number.'), { description: 'What the AS path starts with.' }),
        priority: routePriority('Only routes with this priority.'),
        operations: list(operation(), {
          minItems: 1,
          maxItems: 10,
          description: 'What is changed in a route that is accepted, in order.',
        }),
      },
      { ...ATOMIC, ...filterRuleValidations() },
    ),
    { description },
  );

const spec = lazy(() =>
  object(
    {},
    {
      exportV4: filterRules('IPv4 routes that are told to peers; the first match counts.', 18, 32),
      importV4: filterRules('IPv4 routes that come from peers; the first match counts.', 18, 32),
      exportV6: filterRules('IPv6 routes that are told to peers; the first match counts.', 43, 128),
      importV6: filterRules('IPv6 routes that come from peers; the first match counts.', 43, 128),
    },
  ),
);

export type BGPFilterSpec = Static<ReturnType<typeof spec>>;
export type BGPFilterRule = NonNullable<BGPFilterSpec['exportV4']>[number];
export type BGPFilter = Resource<BGPFilterSpec>;

const count = (field: keyof BGPFilterSpec) =>
  heading<BGPFilter>(`NUM${field.toUpperCase()}`, filter => String(filter.spec[field]?.length ?? 0));
const narrow = [
  heading<BGPFilter>('NAME', filter => filter.metadata.name),
  count('exportV4'),
  count('importV4'),
  count('exportV6'),
  count('importV6'),
];

/** Which routes go to and come from the peers that name it, and what is changed in them. */
export const BGPFilter: Kind<BGPFilter> = defineKind<BGPFilter>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'BGPFilter',
  plural: 'bgpfilters',
  aliases: ['bgpf', 'bgpfs', 'bf'],
  namespaced: false,
  description: 'Which routes go to and come from the peers that name it, and what is changed in them.',
  spec,
  columns: [nameColumn(), ageColumn()],
  calicoctl: { narrow, wide: narrow },
  rules: bgpFilterRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'BGPFilter',
    metadata: { name: 'rack' },
    spec: {
      exportV4: [
        {
          action: 'Accept',
          matchOperator: 'In',
          cidr: '10.244.0.0/16',
          prefixLength: { min: 24, max: 32 },
          operations: [{ addCommunity: { value: '65000:200' } }, { prependASPath: { prefix: [64512, 64512] } }],
        },
        { action: 'Reject' },
      ],
      importV6: [{ action: 'Reject', matchOperator: 'NotIn', cidr: '2001:db8::/32', peerType: 'eBGP' }],
    },
  }),
});
