import type { CalcOutput } from '@calico/calc';
import type { DataplaneTables } from '@calico/dataplane';
import type { Kernel } from '@calico/kernel';
import { type DirectionProgram, printRule } from '@calico/policy';
import { hitsInterval, type RuleHits, ruleHits } from '../node/rule-hits.ts';
import type { Cell, DebugTable } from './table.ts';

/** What Felix's tables are read from. */
export interface FelixTablesOptions {
  readonly nodeName: string;
  readonly felix: { readonly output: CalcOutput; readonly tables: DataplaneTables | undefined };
  readonly hits: RuleHits;
  readonly kernel: Pick<Kernel, 'link'>;
  /** Why an interface's rules are not in force; undefined when they are. */
  interfaceProblem(name: string): string | undefined;
}

/** The tables of the calculation and the dataplane. */
export function felixTables({ nodeName, felix, hits, kernel, interfaceProblem }: FelixTablesOptions): DebugTable[] {
  const table = (
    name: string,
    about: string,
    columns: readonly string[],
    rows: () => Iterable<readonly Cell[]>,
  ): DebugTable => ({ name, about, columns, rows });
  const each = function* <T>(of: () => Iterable<T> | undefined, row: (item: T) => readonly Cell[]) {
    for (const item of of() ?? []) yield row(item);
  };
  const out = () => felix.output;
  return [
    table(
      'endpoints',
      'pods of this node, the policies that decide their packets, and why their rules are not in force if so',
      ['endpoint', 'interface', 'addresses', 'active', 'ingress', 'egress', 'profiles', 'problem'],
      () =>
        each(
          () => out().endpoints,
          ({ id, endpoint: { name, ipv4, ipv6, active, ingress, egress } }) => [
            ...[id, name, [...ipv4, ...ipv6], active, policiesOf(ingress), policiesOf(egress), ingress.profiles],
            problemOf(name, interfaceProblem),
          ],
        ),
    ),
    table(
      'policies',
      'policies that select a pod of this node',
      ['policy', 'tier', 'staged', 'ingress', 'egress'],
      () =>
        each(
          () => out().policies,
          ({ id, tier, staged, ingress, egress }) => [id, tier, staged, ingress.length, egress.length],
        ),
    ),
    {
      ...table(
        'rules',
        'rules of those policies with their hits',
        ['policy', 'tier', 'direction', 'index', 'action', 'rule', 'packets', 'lastHit', 'since'],
        () => ruleRows(out(), hits),
      ),
      prepare: () => hits.refresh(),
      facts: () => ({ ...time('since', hits.since), resolutionSeconds: hitsInterval / 1000 }),
    },
    {
      ...table('counters', 'packets of each counter: of rules, profiles, ends of tiers', ['counter', 'packets'], () =>
        each(
          () => hits.present(),
          ({ counter, packets }) => [counter, packets],
        ),
      ),
      prepare: () => hits.refresh(),
    },
    table('profiles', 'profiles that pods of this node have', ['profile', 'ingress', 'egress'], () =>
      each(
        () => out().profiles,
        ({ id, ingress, egress }) => [id, ingress.map(printRule), egress.map(printRule)],
      ),
    ),
    table(
      'tiers',
      'tiers that decide packets here, with what they do by default',
      ['tier', 'default', 'policies', 'endpoints'],
      () => tierRows(out()),
    ),
    table('sets', 'address sets that rules ask', ['set', 'type', 'what', 'members', 'users'], () =>
      each(
        () => out().sets,
        ({ id, type, what, size, users }) => [id, type, what, size, users],
      ),
    ),
    table('members', 'the members of those sets', ['set', 'member'], function* () {
      for (const { id, members } of out().sets) for (const member of members()) yield [id, member];
    }),
    table(
      'cidrs',
      'where addresses of the cluster are',
      ['cidr', 'type', 'pool', 'node', 'nodeIp', 'block', 'borrowed', 'sameSubnet', 'natOutgoing'],
      () =>
        each(
          () => out().routes,
          ({ cidr, type, poolType, node, nodeIp, block, borrowed, sameSubnet, natOutgoing }) => [
            ...[cidr, type, poolType, node, nodeIp, block, borrowed, sameSubnet, natOutgoing],
          ],
        ),
    ),
    table('blocks', 'IPAM blocks that this node holds', ['block', 'pool'], function* () {
      for (const { cidr, block, node, poolType } of out().routes)
        if (block && node === nodeName) yield [cidr, poolType];
    }),
    table('pools', 'address pools', ['cidr', 'natOutgoing', 'vxlan', 'ipip', 'uses'], () =>
      each(
        () => out().pools,
        ({ cidr, natOutgoing, vxlanMode, ipipMode, allowedUses }) => [
          ...[cidr, natOutgoing, vxlanMode, ipipMode, allowedUses],
        ],
      ),
    ),
    table('hosts', 'nodes of the cluster', ['node', 'ipv4', 'ipv6', 'subnet4', 'subnet6'], () =>
      each(
        () => out().hosts,
        ({ name, ipv4, ipv6, subnet4, subnet6 }) => [name, ipv4, ipv6, subnet4, subnet6],
      ),
    ),
    table(
      'vteps',
      'ends of the VXLAN overlay',
      ['node', 'mac', 'ipv4', 'parentIpv4', 'macV6', 'ipv6', 'parentIpv6'],
      () =>
        each(
          () => out().vteps,
          ({ node, mac, ipv4, parentIpv4, macV6, ipv6, parentIpv6 }) => [
            ...[node, mac, ipv4, parentIpv4, macV6, ipv6, parentIpv6],
          ],
        ),
    ),
    table('config', 'Felix parameters of the datastore, merged for this node', ['parameter', 'value'], function* () {
      for (const config of out().config) yield* Object.entries(config);
    }),
    table(
      'routes',
      'routes of ours, wanted and in the kernel as last read or written',
      ['destination', 'type', 'gateway', 'interface', 'state'],
      () =>
        each(
          () => felix.tables?.routes(),
          ({ destination, type, gateway, link, state }) => [
            ...[destination, type, gateway, link === undefined ? undefined : (kernel.link(link)?.name ?? `#${link}`)],
            state,
          ],
        ),
    ),
    table(
      'programs',
      'programs of policies as they are compiled, one for all endpoints with equal policies',
      ['program', 'direction', 'family', 'rules', 'form', 'endpoints', 'chain'],
      () =>
        each(
          () => felix.tables?.programs(),
          ({ name, direction, family, rules, form, endpoints, chain }) => [
            ...[name, direction, family, rules, form, endpoints, chain],
          ],
        ),
    ),
    table('chains', 'chains of our nftables table', ['chain', 'hooked', 'rules'], () =>
      each(
        () => felix.tables?.chains(),
        ({ name, hooked, rules }) => [name, hooked, rules],
      ),
    ),
    table('kernel-sets', 'sets and maps of our nftables table', ['set', 'map', 'elements'], () =>
      each(
        () => felix.tables?.sets(),
        ({ name, map, elements }) => [name, map, elements],
      ),
    ),
  ];
}

/** A time as people and JSON read it. */
export function time(name: string, ms: number | undefined): Record<string, string> {
  return ms === undefined ? {} : { [name]: new Date(ms).toISOString() };
}

function policiesOf({ tiers }: DirectionProgram): string[] {
  return tiers.flatMap(({ policies }) => policies);
}

/** The kernel is asked about it, and may not answer. */
function problemOf(name: string, interfaceProblem: FelixTablesOptions['interfaceProblem']): string | undefined {
  try {
    return interfaceProblem(name);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function* ruleRows({ policies }: CalcOutput, hits: RuleHits): Generator<readonly Cell[]> {
  for (const program of policies) {
    for (const { policy, tier, direction, index, action, hits: counted } of ruleHits([program], hits)) {
      const rule = program[direction].find(each => each.index === index);
      yield [
        ...[policy, tier, direction, index, action, rule && printRule(rule), counted?.packets ?? 0],
        ...[time('at', counted?.lastHit).at, time('at', counted?.since).at],
      ];
    }
  }
}

function tierRows({ endpoints }: CalcOutput): Iterable<readonly Cell[]> {
  const tiers = new Map<string, { action: string; policies: Set<string>; endpoints: Set<string> }>();
  for (const { id, endpoint } of endpoints) {
    for (const { name, defaultAction, policies } of [...endpoint.ingress.tiers, ...endpoint.egress.tiers]) {
      const tier = tiers.get(name) ?? { action: defaultAction, policies: new Set(), endpoints: new Set() };
      for (const policy of policies) tier.policies.add(policy);
      tier.endpoints.add(id);
      tiers.set(name, tier);
    }
  }
  return [...tiers].map(([name, { action, policies, endpoints }]) => [name, action, policies.size, endpoints.size]);
}
