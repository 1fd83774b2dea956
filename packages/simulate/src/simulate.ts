import { isDeepStrictEqual } from 'node:util';
import type { Family } from '@calico/ip';
import { type Direction, type DirectionProgram, setsOf, type Verdict } from '@calico/policy';
import type { ClusterView, Endpoint } from './cluster-view.ts';
import { decidedBy } from './decided-by.ts';
import { type Judgement, judge } from './judge.ts';
import { firstPacket, type Port, printPort } from './port.ts';

/** A connection that comes to another end. */
export interface Change {
  /** Pods, as `namespace/name`. */
  readonly from: string;
  readonly to: string;
  /** `443/tcp` */
  readonly port: string;
  readonly family: Family;
  readonly before: Verdict;
  readonly after: Verdict;
  /** What makes the difference: who denies, or who allows what was denied. */
  readonly decidedBy: string;
}

/** What would change. */
export interface Simulation {
  /** The first ones, by destination and source. */
  readonly changes: readonly Change[];
  /** How many there are in all. */
  readonly total: number;
  /** How many have addresses and are in both views. */
  readonly pods: number;
  /** Destinations that declare no ports and were asked about the given ones alone. */
  readonly withoutPorts: readonly string[];
}

/** What is asked about. */
export interface SimulationOptions {
  /** The ports that a pod (`namespace/name`) declares, besides those that it has names for. */
  portsOf(pod: string): readonly Port[];
  /** Asked about at every pod. */
  readonly ports: readonly Port[];
  /** The most changes that are kept; the rest is counted. */
  readonly limit: number;
}

/** An endpoint as it is and as it would be. */
interface Pair {
  readonly before: Endpoint;
  readonly after: Endpoint;
  readonly ports: readonly Port[];
  /** Whether some of them are its own. */
  readonly declares: boolean;
  readonly ingressChanges: boolean;
  readonly egressChanges: boolean;
}

/**
 * Asks both views about every pair of pods that both have and every port of the destination. Pairs of which nothing that
 * decides differs are passed over.
 */
export function simulate(now: ClusterView, then: ClusterView, options: SimulationOptions): Simulation {
  const pairs = pairUp(now, then, options);
  const changes: Change[] = [];
  let total = 0;
  for (const to of pairs) {
    for (const from of pairs) {
      if (from === to || !(from.egressChanges || to.ingressChanges)) continue;
      for (const change of changesBetween(now, then, from, to)) {
        total++;
        if (changes.length < options.limit) changes.push(change);
      }
    }
  }
  const withoutPorts = pairs.filter(({ declares }) => !declares).map(pair => pair.before.pod);
  return { changes, total, pods: pairs.length, withoutPorts };
}

function pairUp(now: ClusterView, then: ClusterView, { portsOf, ports }: SimulationOptions): Pair[] {
  now.prepare(now.endpoints);
  then.prepare(then.endpoints);
  const later = new Map(then.endpoints.map(endpoint => [endpoint.id, endpoint]));
  const differs = differences(now, then);
  return now.endpoints.flatMap((endpoint): Pair[] => {
    const other = later.get(endpoint.id);
    if (other === undefined || endpoint.addresses.length === 0) return [];
    const moved = !isDeepStrictEqual(endpoint, other);
    const own = [...endpoint.ports, ...other.ports, ...portsOf(endpoint.pod)];
    return [
      {
        before: endpoint,
        after: other,
        ports: [...new Map([...ports, ...own].map(port => [printPort(port), port])).values()],
        declares: own.length > 0,
        ingressChanges: moved || differs(endpoint.id, 'ingress'),
        egressChanges: moved || differs(endpoint.id, 'egress') || configDiffers(now, then, endpoint, other),
      },
    ];
  });
}

/** Tells whether anything differs that decides the packets of an endpoint in a direction. */
function differences(now: ClusterView, then: ClusterView): (id: string, direction: Direction) => boolean {
  const states = [now.state, then.state] as const;
  const sets = changedKeys(states[0].sets, states[1].sets);
  const programsThatChange = (part: 'policies' | 'profiles'): Set<string> => {
    const changed = changedKeys<unknown>(states[0][part], states[1][part]);
    for (const [id, program] of states[0][part]) {
      if ([...setsOf(program)].some(set => sets.has(set))) changed.add(id);
    }
    return changed;
  };
  const policies = programsThatChange('policies');
  const profiles = programsThatChange('profiles');
  const touched = ({ tiers, profiles: own }: DirectionProgram): boolean =>
    tiers.some(tier => tier.policies.some(id => policies.has(id))) || own.some(id => profiles.has(id));
  return (id, direction) => {
    const [before, after] = states.map(({ endpoints }) => endpoints.get(id)?.[direction]);
    if (before === undefined || after === undefined) return true;
    return touched(before) || !isDeepStrictEqual(before, after);
  };
}

function changedKeys<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): Set<string> {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return new Set([...keys].filter(key => !isDeepStrictEqual(before.get(key), after.get(key))));
}

function configDiffers(now: ClusterView, then: ClusterView, before: Endpoint, after: Endpoint): boolean {
  return !isDeepStrictEqual(now.config(before.node), then.config(after.node));
}

function* changesBetween(now: ClusterView, then: ClusterView, from: Pair, to: Pair): Generator<Change> {
  for (const family of [4, 6] as const) {
    for (const port of to.ports) {
      const before = judged(now, from.before, to.before, port, family);
      const after = judged(then, from.after, to.after, port, family);
      if (before === undefined || after === undefined || before.verdict === after.verdict) continue;
      yield {
        from: from.before.pod,
        to: to.before.pod,
        port: printPort(port),
        family,
        before: before.verdict,
        after: after.verdict,
        decidedBy: whatDiffers(before, after),
      };
    }
  }
}

function judged(view: ClusterView, from: Endpoint, to: Endpoint, port: Port, family: Family): Judgement | undefined {
  const source = from.addresses.find(each => each.family === family);
  const destination = to.addresses.find(each => each.family === family);
  if (source === undefined || destination === undefined) return undefined;
  const places = [
    { address: source, endpoint: from },
    { address: destination, endpoint: to },
  ] as const;
  return judge(view, ...places, firstPacket(source, destination, port));
}

/** Who denies what was allowed, or who allows what was denied. */
function whatDiffers(before: Judgement, after: Judgement): string {
  const denying = after.verdict === 'deny' ? after : before;
  if (denying.beside !== undefined) return (after.beside ?? denying.beside).reason;
  const direction = denying.egress?.verdict === 'deny' ? 'egress' : 'ingress';
  const decision = after[direction];
  return decision === undefined ? direction : `${direction}: ${decidedBy(decision)}`;
}
