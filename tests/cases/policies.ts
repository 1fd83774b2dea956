import { familyOf } from '../oracle/address.ts';
import type {
  CalicoRule,
  Entity,
  KubernetesPolicySpec,
  KubernetesPort,
  Peer,
  RawResource,
} from '../oracle/resources.ts';
import { blockAround, lengthOf } from './block.ts';
import { clusterPolicy } from './cluster-policies.ts';
import type { Dice } from './dice.ts';
import { labelSelector, namespaceSelector, podSelector, serviceAccountSelector } from './selectors.ts';
import { block, hasFamily, type Subject, someAddress, someFamily, someNumber } from './subject.ts';
import { labels, portNames } from './world.ts';

/**
 * Random policies of all kinds, and network sets, as many as the size asks for; valid by the API's rules. At least `fewest` of
 * them decide something, and then in all tiers of the world.
 */
export function makePolicies(dice: Dice, size: number, subject: Subject, fewest: number): RawResource[] {
  const { namespaces, tiers } = subject.world;
  const made = somePolicies(dice, size, subject);
  const decide = made.filter(({ kind }) => !kind.startsWith('Staged') && kind.endsWith('NetworkPolicy')).length;
  const more = dice.times(Math.max(0, fewest - decide), index =>
    calicoPolicy(dice, `m-${index}`, dice.pick([undefined, ...namespaces]), subject, tiers[index % tiers.length]),
  );
  return [...made, ...more];
}

function somePolicies(dice: Dice, size: number, subject: Subject): RawResource[] {
  const { namespaces } = subject.world;
  return [
    ...dice.times(dice.whole(1, 2 + size), index => kubernetesPolicy(dice, `k-${index}`, subject)),
    ...dice.times(dice.whole(1, 1 + size), index => calicoPolicy(dice, `c-${index}`, dice.pick(namespaces), subject)),
    ...dice.times(dice.whole(1, 1 + size), index => calicoPolicy(dice, `g-${index}`, undefined, subject)),
    ...dice.times(dice.whole(0, size), index => networkSet(dice, `set-${index}`, dice.pick(namespaces), subject)),
    ...dice.times(dice.whole(0, size), index => networkSet(dice, `set-${index}`, undefined, subject)),
    ...dice.times(dice.whole(0, 2), index => clusterPolicy(dice, `cluster-${index}`, subject)),
    ...dice.times(dice.whole(0, 2), index => stagedPolicy(dice, `staged-${index}`, subject)),
  ];
}

/** A staged policy of any of the three kinds: it decides nothing, so the oracle does not look at it. */
function stagedPolicy(dice: Dice, name: string, subject: Subject): RawResource {
  const staged = dice.pick([
    () => kubernetesPolicy(dice, name, subject),
    () => calicoPolicy(dice, name, dice.pick(subject.world.namespaces), subject),
    () => calicoPolicy(dice, name, undefined, subject),
  ])();
  const kind = staged.apiVersion.startsWith('networking.k8s.io')
    ? 'StagedKubernetesNetworkPolicy'
    : `Staged${staged.kind}`;
  return { ...staged, apiVersion: 'projectcalico.org/v3', kind };
}

function networkSet(dice: Dice, name: string, namespace: string | undefined, subject: Subject): RawResource {
  const kind = namespace === undefined ? 'GlobalNetworkSet' : 'NetworkSet';
  const metadata = {
    ...(namespace === undefined ? {} : { namespace }),
    name,
    labels: labels(dice, ['trust', 'app'], 60),
  };
  const nets = dice.times(dice.whole(1, 3), () => block(dice, subject, 24, 32, someFamily(dice, subject)));
  return { apiVersion: 'projectcalico.org/v3', kind, metadata, spec: { nets: [...new Set(nets)] } };
}

function kubernetesPolicy(dice: Dice, name: string, subject: Subject): RawResource {
  const types = dice.pick([['Ingress'], ['Ingress'], ['Egress'], ['Ingress', 'Egress']] as const);
  const governs = (type: 'Ingress' | 'Egress') => types.some(each => each === type);
  const rules = (peersField: 'from' | 'to') =>
    dice.times(dice.whole(0, 3), () => ({
      ...(dice.percent(25) ? {} : { [peersField]: kubernetesPeers(dice, subject) }),
      ...(dice.percent(40) ? {} : { ports: kubernetesPorts(dice) }),
    }));
  const spec: KubernetesPolicySpec = {
    podSelector: labelSelector(dice, ['app', 'tier']),
    ...(!governs('Egress') && dice.percent(30) ? {} : { policyTypes: types }),
    ...(governs('Ingress') ? { ingress: rules('from') } : {}),
    ...(governs('Egress') ? { egress: rules('to') } : {}),
  };
  const metadata = { namespace: dice.pick(subject.world.namespaces), name };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec };
}

function kubernetesPeers(dice: Dice, subject: Subject): Peer[] {
  return dice.times(dice.whole(1, 2), () =>
    dice.weighted<() => Peer>([
      [4, () => ({ podSelector: labelSelector(dice, ['app', 'tier']) })],
      [3, () => ({ namespaceSelector: labelSelector(dice, ['team', 'env']) })],
      [
        3,
        () => ({
          namespaceSelector: labelSelector(dice, ['team', 'env']),
          podSelector: labelSelector(dice, ['app', 'tier']),
        }),
      ],
      [2, () => ({ ipBlock: { cidr: block(dice, subject, 16, 30, someFamily(dice, subject)) } })],
      [4, () => ({ ipBlock: blockWithHoles(dice, subject) })],
    ])(),
  );
}

/** A block around some address, with one or two holes strictly inside it: around that address, or beside it. */
function blockWithHoles(dice: Dice, subject: Subject): { cidr: string; except: string[] } {
  const family = someFamily(dice, subject);
  const [low, bits] = family === 4 ? [16, 32] : [112, 128];
  const anchor = someAddress(dice, subject, family);
  const cidr = blockAround(anchor, dice.whole(low, bits - 3));
  const hole = blockAround(anchor, dice.whole(lengthOf(cidr) + 1, bits));
  const inside = [...subject.inside, ...subject.outside].filter(
    each => familyOf(each) === family && blockAround(each, lengthOf(cidr)) === cidr,
  );
  const other = blockAround(dice.pick(inside), dice.whole(lengthOf(cidr) + 1, bits));
  return { cidr, except: [...new Set(dice.percent(50) ? [hole] : [hole, other])] };
}

function kubernetesPorts(dice: Dice): KubernetesPort[] {
  return dice.times(dice.whole(1, 3), () => {
    const protocol = dice.weighted([
      [6, {}],
      [4, { protocol: 'TCP' }],
      [4, { protocol: 'UDP' }],
      [1, { protocol: 'SCTP' }],
    ]);
    const port = someNumber(dice);
    return dice.weighted<() => KubernetesPort>([
      [4, () => ({ ...protocol, port })],
      [3, () => ({ ...protocol, port, endPort: port + dice.whole(0, 40) })],
      [3, () => ({ ...protocol, port: dice.pick(Object.keys(portNames)) })],
      [1, () => ({ ...protocol })],
    ])();
  });
}

function calicoPolicy(
  dice: Dice,
  name: string,
  namespace: string | undefined,
  subject: Subject,
  inTier?: string,
): RawResource {
  const { namespaces, tiers } = subject.world;
  const isGlobal = namespace === undefined;
  const types = dice.pick([['Ingress'], ['Egress'], ['Ingress', 'Egress']] as const);
  const rules = (direction: 'Ingress' | 'Egress') =>
    dice.times(dice.whole(1, 4), () => calicoRule(dice, direction, isGlobal, subject));
  const tier =
    inTier ??
    dice.weighted([
      [4, undefined],
      [5, dice.pick(tiers)],
    ]);
  const spec = {
    ...(tier === undefined ? {} : { tier }),
    ...(dice.percent(20) ? {} : { order: dice.pick([-1, 0, 10, 10, 99.5, 1000, 2000]) }),
    ...(dice.percent(25) ? {} : { selector: podSelector(dice, namespaces) }),
    ...(isGlobal && dice.percent(30) ? { namespaceSelector: namespaceSelector(dice, namespaces) } : {}),
    ...(dice.percent(15) ? { serviceAccountSelector: serviceAccountSelector(dice) } : {}),
    ...(dice.percent(15) ? {} : { types }),
    ...(types.some(type => type === 'Ingress') ? { ingress: rules('Ingress') } : {}),
    ...(types.some(type => type === 'Egress') ? { egress: rules('Egress') } : {}),
  };
  const kind = isGlobal ? 'GlobalNetworkPolicy' : 'NetworkPolicy';
  const metadata = isGlobal ? { name } : { namespace, name };
  return { apiVersion: 'projectcalico.org/v3', kind, metadata, spec };
}

/** The protocol fields of a rule, and whether they permit port numbers. */
interface Protocols {
  readonly fields: Partial<CalicoRule>;
  readonly ports: boolean;
}

function protocols(dice: Dice, family: 4 | 6): Protocols {
  const [name, number] = family === 4 ? (['ICMP', 1] as const) : (['ICMPv6', 58] as const);
  return dice.weighted<() => Protocols>([
    [12, () => ({ fields: {}, ports: false })],
    [14, () => ({ fields: { protocol: dice.pick(['TCP', 'TCP', 6]) }, ports: true })],
    [8, () => ({ fields: { protocol: dice.pick(['UDP', 17]) }, ports: true })],
    [2, () => ({ fields: { protocol: dice.pick(['SCTP', 132]) }, ports: true })],
    [3, () => ({ fields: { notProtocol: dice.pick(['TCP', 'UDP', number, 132]) }, ports: false })],
    [1, () => ({ fields: { protocol: dice.pick([47, 89, 'UDPLite']) }, ports: false })],
    [1, () => ({ fields: { protocol: name }, ports: false })],
    [4, () => ({ fields: { protocol: dice.pick([name, number]), icmp: icmp(dice, family) }, ports: false })],
    [3, () => ({ fields: { protocol: dice.pick([name, number]), notICMP: icmp(dice, family) }, ports: false })],
  ])();
}

function icmp(dice: Dice, family: 4 | 6): { type: number; code?: number } {
  return {
    type: dice.pick(family === 4 ? [8, 8, 13, 3] : [128, 128, 139, 1]),
    ...(dice.percent(30) ? { code: dice.pick([0, 4]) } : {}),
  };
}

function calicoRule(dice: Dice, direction: 'Ingress' | 'Egress', isGlobal: boolean, subject: Subject): CalicoRule {
  if (dice.percent(9)) return serviceRule(dice, direction, subject);
  const action = dice.weighted([
    [6, 'Allow'],
    [4, 'Deny'],
    [2, 'Pass'],
    [1, 'Log'],
  ] as const);
  // Rules for a family that no pod has an address of are rare, and match nothing.
  const isSix = dice.percent(hasFamily(subject, 6) ? 40 : 5);
  const family = isSix ? 6 : 4;
  const { fields, ports } = protocols(dice, family);
  const blocks = (low: number, high: number) =>
    hasFamily(subject, family) ? block(dice, subject, low, high, family) : sixBlock(dice);
  const far = entity(dice, isGlobal, subject, blocks);
  const near = dice.percent(15) ? entity(dice, isGlobal, subject, blocks) : {};
  const [from, to] = direction === 'Ingress' ? [far, near] : [near, far];
  const source = { ...from, ...(ports && dice.percent(12) ? somePorts(dice, ephemeral) : {}) };
  const destination = { ...to, ...destinationPorts(dice, ports, fields) };
  return {
    action,
    ...(dice.percent(isSix ? 50 : 10) || isIcmp(fields) ? { ipVersion: family } : {}),
    ...fields,
    ...(Object.keys(source).length > 0 ? { source } : {}),
    ...(Object.keys(destination).length > 0 ? { destination } : {}),
  };
}

/** A rule about the endpoints of a service: towards them it states no protocol, since the service's ports have theirs. */
function serviceRule(dice: Dice, direction: 'Ingress' | 'Egress', subject: Subject): CalicoRule {
  const action = dice.pick(['Allow', 'Allow', 'Deny', 'Pass'] as const);
  const services = dice.pick(subject.world.services);
  if (direction === 'Egress') return { action, destination: { services } };
  const { fields } = protocols(dice, 4);
  return { action, ...(isIcmp(fields) ? {} : fields), source: { services } };
}

/** Rules about ICMP state the family that it is of. */
function isIcmp({ protocol }: Partial<CalicoRule>): boolean {
  return ['ICMP', 'ICMPv6', 1, 58].some(each => each === protocol);
}

function destinationPorts(dice: Dice, ports: boolean, fields: Partial<CalicoRule>): Entity {
  if (ports) return dice.percent(65) ? somePorts(dice, listening) : {};
  const free = Object.keys(fields).length === 0;
  return free && dice.percent(12) ? { ports: dice.some(Object.keys(portNames), 1, 2) } : {};
}

function somePorts(dice: Dice, port: (dice: Dice) => number | string): Entity {
  const list = [...new Set(dice.times(dice.whole(1, 3), () => port(dice)))];
  return dice.percent(25) ? { notPorts: list } : { ports: list };
}

function listening(dice: Dice): number | string {
  const number = someNumber(dice);
  return dice.weighted<number | string>([
    [5, number],
    [3, `${number}:${number + dice.whole(0, 40)}`],
    [4, dice.pick(Object.keys(portNames))],
  ]);
}

function ephemeral(dice: Dice): number | string {
  return dice.pick(['1024:65535', '1:32767', '32768:40000', 40000, 40001]);
}

/** One end of a rule: nothing, or one to three kinds of criteria. */
function entity(dice: Dice, isGlobal: boolean, subject: Subject, net: (low: number, high: number) => string): Entity {
  const { namespaces } = subject.world;
  const nets = (low: number, high: number) => [...new Set(dice.times(dice.whole(1, 3), () => net(low, high)))];
  return dice.weighted<() => Entity>([
    [4, () => ({})],
    [6, () => ({ selector: podSelector(dice, namespaces) })],
    [3, () => ({ namespaceSelector: namespaceSelector(dice, namespaces) })],
    [4, () => ({ selector: podSelector(dice, namespaces), namespaceSelector: namespaceSelector(dice, namespaces) })],
    [
      2,
      () => ({
        namespaceSelector: 'global()',
        ...(dice.percent(50) ? { selector: `trust == '${dice.pick(['yes', 'no'])}'` } : {}),
      }),
    ],
    [3, () => ({ notSelector: podSelector(dice, namespaces) })],
    [2, () => ({ selector: podSelector(dice, namespaces), notSelector: podSelector(dice, namespaces) })],
    [5, () => ({ nets: nets(16, 32) })],
    [3, () => ({ notNets: nets(17, 32) })],
    [3, () => ({ nets: nets(16, 24), notNets: nets(25, 32) })],
    [2, () => ({ nets: nets(16, 28), selector: podSelector(dice, namespaces) })],
    [2, () => ({ notNets: nets(24, 32), selector: podSelector(dice, namespaces) })],
    [
      2,
      () => ({
        serviceAccounts: { names: dice.some(['default', 'ops', 'batch'], 1, 2) },
        ...(isGlobal || dice.percent(50) ? {} : { namespaceSelector: 'all()' }),
      }),
    ],
    [2, () => ({ serviceAccounts: { selector: serviceAccountSelector(dice) } })],
    [
      1,
      () => ({
        serviceAccounts: { names: ['ops', 'default'], selector: serviceAccountSelector(dice) },
        selector: podSelector(dice, namespaces),
      }),
    ],
  ])();
}

function sixBlock(dice: Dice): string {
  return dice.pick(['fd00:10:244::/48', '2001:db8::/32', 'fd00:10:244::7/128']);
}
