import { type Address, blockHolds, familyOf } from './address.ts';
import { type Cluster, namespaceOf, serviceEndpoints, type Thing, thingsAt } from './cluster.ts';
import { type Direction, portAt, protocolNumber, type Side, type WirePacket } from './packet.ts';
import type { Criterion, Policy } from './policy.ts';
import type { CalicoPolicySpec, CalicoRule, Entity, Icmp, RawResource } from './resources.ts';
import { selects } from './selector.ts';

/**
 * projectcalico.org/v3 NetworkPolicy and GlobalNetworkPolicy (Calico documentation, "Network policy", "Global network
 * policy"). Untracked and pre-DNAT policies concern host endpoints only, so they govern no pod.
 */
export function calicoPolicy(resource: RawResource, cluster: Cluster): Policy {
  const spec = (resource.spec ?? {}) as CalicoPolicySpec;
  const kind = resource.kind === 'NetworkPolicy' ? 'NetworkPolicy' : 'GlobalNetworkPolicy';
  const namespace = kind === 'NetworkPolicy' ? namespaceOf(resource) : undefined;
  const rules = (direction: Direction): readonly CalicoRule[] =>
    (direction === 'Ingress' ? spec.ingress : spec.egress) ?? [];
  return {
    kind,
    namespace,
    name: resource.metadata.name,
    tier: spec.tier ?? 'default',
    order: spec.order ?? Number.POSITIVE_INFINITY,
    governs: (pod, direction) =>
      directions(spec).includes(direction) &&
      spec.doNotTrack !== true &&
      spec.preDNAT !== true &&
      (namespace === undefined || pod.namespace === namespace) &&
      selects(spec.selector ?? '', pod.labels) &&
      selects(spec.namespaceSelector ?? '', pod.namespaceLabels) &&
      selects(spec.serviceAccountSelector ?? '', pod.serviceAccountLabels, {
        all: given(spec.serviceAccountSelector) ? pod.serviceAccount !== undefined : true,
        global: false,
      }),
    decide: (direction, packet, observe) => {
      for (const [index, rule] of rules(direction).entries()) {
        const criteria = criteriaOf(rule, direction, namespace, packet, cluster);
        criteria.forEach(observe);
        if (!criteria.every(([, held]) => held)) continue;
        if (rule.action === 'Log') observe(['action Log', true]);
        else return { action: rule.action, rule: index, criteria: criteria.map(([field]) => field) };
      }
      return undefined;
    },
  };
}

/** `types`, or when absent: egress alone if there are only egress rules, both if there are both, else ingress. */
function directions(spec: CalicoPolicySpec): readonly Direction[] {
  if (spec.types !== undefined && spec.types.length > 0) return spec.types;
  const ingress = (spec.ingress ?? []).length > 0;
  const egress = (spec.egress ?? []).length > 0;
  if (ingress && egress) return ['Ingress', 'Egress'];
  return egress ? ['Egress'] : ['Ingress'];
}

/** Every criterion that the rule states, with its truth. A rule without criteria matches every packet. */
function criteriaOf(
  rule: CalicoRule,
  direction: Direction,
  namespace: string | undefined,
  packet: WirePacket,
  cluster: Cluster,
): Criterion[] {
  const found: Criterion[] = [];
  const family = packet.source.family;
  if (rule.ipVersion !== undefined) found.push(['ipVersion', rule.ipVersion === family]);
  if (rule.protocol !== undefined) found.push(['protocol', protocolNumber(rule.protocol) === packet.protocol]);
  if (rule.notProtocol !== undefined) found.push(['notProtocol', protocolNumber(rule.notProtocol) !== packet.protocol]);
  if (rule.icmp !== undefined) found.push(['icmp', isIcmp(rule.icmp, packet)]);
  if (rule.notICMP !== undefined) found.push(['notICMP', !isIcmp(rule.notICMP, packet)]);
  for (const side of ['source', 'destination'] as const) {
    const entity = rule[side] ?? {};
    const address = packet[side];
    const { criteria, meant } = selection(side, entity, namespace, thingsAt(cluster, address));
    found.push(...netCriteria(side, entity, address), ...criteria, ...portCriteria(side, entity, packet, meant));
    if (entity.services !== undefined) {
      found.push([`${side}.services`, isBehindService(entity.services, direction, namespace, packet, cluster)]);
    }
  }
  return found;
}

function isIcmp(icmp: Icmp, packet: WirePacket): boolean {
  return (
    (packet.protocol === 1 || packet.protocol === 58) &&
    (icmp.type === undefined || icmp.type === packet.icmpType) &&
    (icmp.code === undefined || icmp.code === packet.icmpCode)
  );
}

/** A rule that names networks is a rule for their family: packets of the other family never match, negated or not. */
function netCriteria(side: Side, entity: Entity, address: Address): Criterion[] {
  const found: Criterion[] = [];
  const nets = entity.nets ?? [];
  const notNets = entity.notNets ?? [];
  if (nets.length > 0) found.push([`${side}.nets`, nets.some(net => blockHolds(net, address))]);
  if (notNets.length > 0) {
    const sameFamily = notNets.some(net => familyOf(net) === address.family);
    found.push([`${side}.notNets`, sameFamily && !notNets.some(net => blockHolds(net, address))]);
  }
  return found;
}

/**
 * Selectors mean pods and network sets, never an unknown address. `selector`, `namespaceSelector`, `serviceAccounts` and
 * `notSelector` speak of one and the same thing: one that all of the former select and the latter does not. A
 * `notSelector` alone turns the answer round, so that an unknown address satisfies it. In a namespaced policy that names
 * no namespaces, all of this is about the policy's own namespace.
 *
 * Gives the criteria and the things that the end of the rule means, all that have the address if it has no selector.
 */
function selection(
  side: Side,
  entity: Entity,
  namespace: string | undefined,
  things: readonly Thing[],
): { criteria: Criterion[]; meant: readonly Thing[] } {
  const accounts = entity.serviceAccounts;
  const accountsGiven = accounts !== undefined && ((accounts.names ?? []).length > 0 || given(accounts.selector));
  const fields = [
    ...(given(entity.selector) ? ['selector'] : []),
    ...(accountsGiven ? ['serviceAccounts'] : []),
    ...(given(entity.notSelector) ? ['notSelector'] : []),
    ...(given(entity.namespaceSelector) ? ['namespaceSelector'] : []),
  ];
  const onlyNot = fields.join() === 'notSelector' && namespace === undefined;

  const inNamespace = (thing: Thing): boolean =>
    given(entity.namespaceSelector)
      ? selects(entity.namespaceSelector, thing.namespaceLabels, {
          all: thing.namespace !== undefined,
          global: thing.namespace === undefined,
        })
      : namespace === undefined || thing.namespace === namespace;
  const hasAccount = (thing: Thing): boolean =>
    ((accounts?.names ?? []).length === 0 || (accounts?.names ?? []).includes(thing.serviceAccount ?? '')) &&
    (!given(accounts?.selector) || selects(accounts?.selector ?? '', thing.serviceAccountLabels));
  const excluded = (thing: Thing): boolean => given(entity.notSelector) && selects(entity.notSelector, thing.labels);

  const meant =
    fields.length === 0 || onlyNot
      ? things
      : things.filter(
          thing =>
            inNamespace(thing) && hasAccount(thing) && selects(entity.selector ?? '', thing.labels) && !excluded(thing),
        );
  const held = onlyNot ? !things.some(excluded) : meant.length > 0;
  return { criteria: fields.map(field => [`${side}.${field}`, held]), meant };
}

/** A port's name is looked up on the pods that this end of the rule means. */
function portCriteria(side: Side, entity: Entity, packet: WirePacket, meant: readonly Thing[]): Criterion[] {
  const among = (ports: readonly (number | string)[]): boolean => ports.some(port => isPort(port, side, packet, meant));
  const shapes = (ports: readonly (number | string)[]): string[] => [...new Set(ports.map(shapeOf))];
  const ports = entity.ports ?? [];
  const notPorts = entity.notPorts ?? [];
  return [
    ...shapes(ports).map((shape): Criterion => [`${side}.ports (${shape})`, among(ports)]),
    ...shapes(notPorts).map((shape): Criterion => [`${side}.notPorts (${shape})`, !among(notPorts)]),
  ];
}

/** 80, "80", "8000:8100", or the name that a pod gives to one of its container ports. */
function isPort(port: number | string, side: Side, packet: WirePacket, meant: readonly Thing[]): boolean {
  const actual = portAt(side, packet);
  if (actual === undefined) return false;
  const [low = '', high = low] = String(port).split(':');
  if (shapeOf(port) !== 'name') return Number(low) <= actual && actual <= Number(high);
  return meant.some(thing =>
    thing.ports.some(each => each.name === port && each.port === actual && each.protocol === packet.protocol),
  );
}

function shapeOf(port: number | string): 'number' | 'range' | 'name' {
  if (/^\d+$/.test(String(port))) return 'number';
  return /^\d+:\d+$/.test(String(port)) ? 'range' : 'name';
}

/** As an egress destination: an address, port and protocol behind the service. As an ingress source: an address. */
function isBehindService(
  service: { readonly name: string; readonly namespace?: string },
  direction: Direction,
  namespace: string | undefined,
  packet: WirePacket,
  cluster: Cluster,
): boolean {
  const address = direction === 'Egress' ? packet.destination : packet.source;
  return serviceEndpoints(cluster, service.namespace ?? namespace ?? '', service.name).some(
    ({ addresses, ports }) =>
      addresses.some(each => blockHolds(each, address)) &&
      (direction === 'Ingress' ||
        ports.some(({ port, protocol }) => protocol === packet.protocol && port === portAt('destination', packet))),
  );
}

function given(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '';
}
