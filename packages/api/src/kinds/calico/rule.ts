import type { Static } from 'typebox';
import {
  cel,
  decimal,
  flag,
  formatted,
  integer,
  intOrString,
  lazy,
  list,
  object,
  oneOf,
  set,
  text,
  textMap,
} from '../../schema/build.ts';
import { always, filled, isOneOf, never, noGlobal, on } from './cel.ts';

const ports = (description: string) => list(intOrString({ 'x-calico-format': 'port' }), { maxItems: 50, description });
const nets = (description: string) => set(formatted('net'), { maxItems: 256, description });

const entity = lazy(() =>
  object(
    {},
    {
      nets: nets('Addresses are in one of these CIDRs.'),
      notNets: nets('Addresses are in none of these CIDRs.'),
      selector: formatted('local-selector', {
        maxLength: 1024,
        description: 'Endpoints and network sets with labels that match.',
      }),
      notSelector: formatted('selector', {
        maxLength: 1024,
        description: 'Everything but endpoints and network sets with labels that match.',
      }),
      namespaceSelector: formatted('namespace-selector', {
        maxLength: 1024,
        description: 'Namespaces that the other criteria look into; global() is what has no namespace.',
      }),
      ports: ports('Ports, ranges "first:last", or names of ports of the endpoints.'),
      notPorts: ports('None of these ports.'),
      serviceAccounts: object(
        {},
        {
          names: set(text(), { description: 'Pods that run as one of these service accounts.' }),
          selector: formatted('selector', { description: 'Pods whose service account has labels that match.' }),
        },
      ),
      services: object(
        { name: text({ maxLength: 253, description: 'The service whose endpoints are meant.' }) },
        { namespace: text({ maxLength: 253, description: "Its namespace; the policy's own if not given." }) },
      ),
    },
    cel(
      noGlobal('selector'),
      always('!has(self.services) || size(self.services.name) > 0', 'services needs a name', 'FieldValueRequired'),
      ...['namespaceSelector', 'selector', 'notSelector', 'nets', 'notNets'].map(field =>
        never(`has(self.services) && ${filled(field)}`, `${field} cannot be combined with services`),
      ),
      never('has(self.services) && has(self.serviceAccounts)', 'serviceAccounts cannot be combined with services'),
    ),
  ),
);

const icmp = () =>
  object(
    {},
    {
      type: integer({ minimum: 0, maximum: 254, description: 'ICMP type.' }),
      code: integer({ minimum: 0, maximum: 255, description: 'ICMP code; needs a type.' }),
    },
    cel(always('has(self.type) || !has(self.code)', 'an ICMP code needs a type')),
  );

const protocol = (description: string) => intOrString({ 'x-calico-format': 'protocol', description });

const versionRule = (field: string, name: string, number: number, version: 4 | 6) =>
  never(
    `has(self.${field}) && ${isOneOf(field, name, number)} && has(self.ipVersion) && self.ipVersion != ${version}`,
    `ipVersion must be ${version} when ${field} is ${name}`,
    'FieldValueInvalid',
  );

/** One rule of a policy or profile. */
export const rule = lazy(() =>
  object(
    { action: oneOf(['Allow', 'Deny', 'Log', 'Pass'], { description: 'What happens to a packet that matches.' }) },
    {
      ipVersion: integer({ enum: [4, 6], description: 'Only packets of this IP version.' }),
      protocol: protocol('Only this protocol: TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255.'),
      notProtocol: protocol('Any protocol but this.'),
      icmp: icmp(),
      notICMP: icmp(),
      source: entity(),
      destination: entity(),
      http: object(
        {},
        {
          methods: list(text(), { maxItems: 20, description: 'One of these HTTP methods.' }),
          paths: list(object({}, { exact: text({ maxLength: 1024 }), prefix: text({ maxLength: 1024 }) }), {
            maxItems: 20,
            description: 'One of these paths, each exact or a prefix.',
          }),
        },
      ),
      metadata: object({}, { annotations: textMap({ description: 'Notes on the rule; they change nothing.' }) }),
    },
    cel(
      always(
        `!has(self.http) || !has(self.protocol) || ${isOneOf('protocol', 'TCP', 6)}`,
        'protocol must be TCP when http is given',
      ),
      never("has(self.http) && self.action != 'Allow'", 'action must be Allow when http is given'),
      ...['ports', 'notPorts'].map(field =>
        never(
          `has(self.destination) && has(self.destination.services) && ${filled(`destination.${field}`)}`,
          `${field} cannot be combined with services`,
        ),
      ),
      always(
        `!has(self.icmp) || (has(self.protocol) && ${isOneOf('protocol', 'ICMP', 1, 'ICMPv6', 58)})`,
        'protocol must be ICMP or ICMPv6 when icmp is given',
      ),
      ...['protocol', 'notProtocol'].flatMap(field => [
        versionRule(field, 'ICMP', 1, 4),
        versionRule(field, 'ICMPv6', 58, 6),
      ]),
    ),
  ),
);

/** A list of rules, looked at in order. */
export const rules = (description: string) => list(rule(), { maxItems: 1024, description });

/** The fields that namespaced and global policies share. */
export const policyFields = () => ({
  tier: text({ default: 'default', description: 'The tier that the policy is in.' }),
  order: decimal({ description: 'Lower is looked at first within the tier; without it, last.' }),
  ingress: rules('Rules for packets that come to the endpoint.'),
  egress: rules('Rules for packets that leave the endpoint.'),
  selector: formatted('local-selector', { maxLength: 1024, description: 'The endpoints that the policy is for.' }),
  types: set(oneOf(['Ingress', 'Egress']), {
    minItems: 1,
    maxItems: 2,
    description: 'The directions that the policy is for; taken from the rules if not given.',
  }),
  serviceAccountSelector: formatted('local-selector', {
    maxLength: 1024,
    description: 'Only endpoints whose service account has labels that match.',
  }),
  performanceHints: set(oneOf(['AssumeNeededOnEveryNode']), { description: 'Hints that change cost, never meaning.' }),
});

/** The rules about those fields. */
export const policyValidations = () => cel(noGlobal('selector'), noGlobal('serviceAccountSelector'));

/** The rules about the fields of policies of the whole cluster. */
export const globalPolicyValidations = () =>
  cel(
    never(`${on('doNotTrack')} && ${on('preDNAT')}`, 'doNotTrack and preDNAT cannot both be true'),
    never(`${on('preDNAT')} && ${filled('egress')}`, 'a preDNAT policy has no egress rules'),
    never(`${on('preDNAT')} && has(self.types) && 'Egress' in self.types`, 'a preDNAT policy is not of type Egress'),
    always(
      `${on('applyOnForward')} || !(${on('preDNAT')} || ${on('doNotTrack')})`,
      'applyOnForward must be true when preDNAT or doNotTrack is',
    ),
    noGlobal('selector'),
    noGlobal('serviceAccountSelector'),
    noGlobal('namespaceSelector'),
  );

/** The fields of policies of the whole cluster. */
export const globalPolicyFields = () => ({
  ...policyFields(),
  namespaceSelector: formatted('local-selector', {
    maxLength: 1024,
    description: 'Only endpoints in namespaces with labels that match.',
  }),
  doNotTrack: flag({ description: 'Whether the rules apply before connection tracking (host endpoints).' }),
  preDNAT: flag({ description: 'Whether the rules apply before destination NAT (host endpoints).' }),
  applyOnForward: flag({ description: 'Whether the rules apply to forwarded traffic too (host endpoints).' }),
});

export type Rule = Static<ReturnType<typeof rule>>;
export type EntityRule = Static<ReturnType<typeof entity>>;
export type RuleAction = Rule['action'];
/** A protocol by name or number. */
export type Protocol = number | string;
/** A port, a range `first:last`, or the name of a port. */
export type PortSpec = number | string;
