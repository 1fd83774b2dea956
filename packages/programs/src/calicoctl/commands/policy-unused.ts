import { Failure } from '../failure.ts';
import { printColumns } from '../output/columns.ts';
import {
  countsHere,
  countsInFiles,
  countsInPrometheus,
  type NodeCounts,
  type RuleCount,
} from '../policy/rule-counts.ts';
import type { World } from '../world.ts';

/** Flags of `policy unused`. */
export interface UnusedFlags {
  readonly node?: readonly string[];
  readonly from?: readonly string[];
  readonly prometheus?: string;
  readonly window: string;
  readonly output?: string;
}

/** A rule that no node counted a packet of. */
export interface UnusedRule extends Pick<RuleCount, 'policy' | 'tier' | 'direction' | 'index' | 'action'> {
  /** The nodes where the policy selects a pod. */
  readonly nodes: readonly string[];
  /** The first node counts the rule since then, ISO 8601. */
  readonly since?: string;
}

/** What `policy unused` prints as JSON. */
export interface Unused {
  readonly nodes: readonly Omit<NodeCounts, 'rules'>[];
  /** How many rules were looked at. */
  readonly rules: number;
  readonly unused: readonly UnusedRule[];
}

/** `calicoctl policy unused`: the rules that no packet met on any node that was asked. */
export async function runPolicyUnused(flags: UnusedFlags, world: World): Promise<void> {
  const { output = 'text' } = flags;
  if (output !== 'text' && output !== 'json') {
    throw new Failure(`--output is "${output}"; allowed: json, or nothing for text`);
  }
  if (!/^\d+[smhdwy]$/.test(flags.window)) {
    throw new Failure(`--window is "${flags.window}"; allowed: a duration such as 30d`);
  }
  const counts = chosen(await read(flags, world), flags.node ?? []);
  const unused = findUnused(counts);
  world.out(output === 'json' ? `${JSON.stringify(unused, null, 2)}\n` : printUnused(unused));
}

async function read({ from, prometheus, window }: UnusedFlags, world: World): Promise<NodeCounts[]> {
  if (from !== undefined && prometheus !== undefined) {
    throw new Failure('--from and --prometheus are given; allowed: one of them, or none to ask the agent of this node');
  }
  try {
    if (from !== undefined) return countsInFiles(from, world);
    if (prometheus !== undefined) return await countsInPrometheus(prometheus, window, world);
    return [await countsHere(world)];
  } catch (err) {
    const hint =
      from === undefined && prometheus === undefined
        ? ' (elsewhere than on a node: --from FILE or --prometheus URL)'
        : '';
    throw new Failure(`Cannot tell which rules are unused: ${err instanceof Error ? err.message : err}${hint}`);
  }
}

/** The nodes that --node names, or all. */
function chosen(counts: readonly NodeCounts[], names: readonly string[]): readonly NodeCounts[] {
  const known = counts.map(({ node }) => node);
  if (counts.length === 0) throw new Failure('Cannot tell which rules are unused: nothing is known of any node');
  for (const name of names) {
    if (!known.includes(name)) throw new Failure(`--node is "${name}"; known: ${known.sort().join(', ')}`);
  }
  return names.length === 0 ? counts : counts.filter(({ node }) => names.includes(node));
}

/** The rules without a packet over all nodes, by policy, direction and position. Pure. */
export function findUnused(counts: readonly NodeCounts[]): Unused {
  const rules = new Map<string, { rule: RuleCount; nodes: string[]; packets: number; since: string | undefined }>();
  for (const { node, rules: ofNode } of counts) {
    for (const rule of ofNode) {
      const key = `${rule.policy}/${rule.direction}/${rule.index}`;
      const known = rules.get(key) ?? { rule, nodes: [], packets: 0, since: rule.since };
      if (!known.nodes.includes(node)) known.nodes.push(node);
      known.packets += rule.packets;
      if (rule.since !== undefined && (known.since === undefined || rule.since < known.since)) known.since = rule.since;
      rules.set(key, known);
    }
  }
  const unused = [...rules.values()].flatMap(({ rule, nodes, packets, since }): UnusedRule[] => {
    const { policy, tier, direction, index, action } = rule;
    return packets > 0
      ? []
      : [{ policy, tier, direction, index, action, nodes: nodes.sort(), ...(since === undefined ? {} : { since }) }];
  });
  return {
    nodes: counts.map(({ rules: _, ...node }) => node).sort((a, b) => (a.node < b.node ? -1 : 1)),
    rules: rules.size,
    unused: unused.sort(compareRules),
  };
}

function compareRules(a: UnusedRule, b: UnusedRule): number {
  if (a.policy !== b.policy) return a.policy < b.policy ? -1 : 1;
  return a.direction === b.direction ? a.index - b.index : a.direction < b.direction ? -1 : 1;
}

/** So many nodes are told of one by one. */
const mostNodes = 10;

/** The rules as a table, with who was asked. Pure. */
export function printUnused({ nodes, rules, unused }: Unused): string {
  const rows = unused.map(({ policy, tier, direction, index, action, nodes: where, since = '' }) => [
    ...[policy, tier, direction, String(index), action, String(where.length), since],
  ]);
  const table =
    rows.length === 0
      ? ''
      : printColumns([['POLICY', 'TIER', 'DIRECTION', 'RULE', 'ACTION', 'NODES', 'COUNTED SINCE'], ...rows])
          .replace(/ +$/gm, '')
          .trimEnd()
          .concat('\n\n');
  const asked = nodes.slice(0, mostNodes).map(({ node, at, since, resolutionSeconds }) => {
    const facts = [
      ...(since === undefined ? [] : [`counted ${/^\d/.test(since) ? 'since ' : ''}${since}`]),
      ...(at === undefined ? [] : [`asked at ${at}`]),
      ...(resolutionSeconds === undefined ? [] : [`read every ${resolutionSeconds} s`]),
    ];
    return `  ${node}${facts.length === 0 ? '' : `: ${facts.join(', ')}`}\n`;
  });
  const rest = nodes.length > mostNodes ? `  and ${nodes.length - mostNodes} more\n` : '';
  const count = `${unused.length} of ${rules} rules met no packet on the ${nodes.length} node(s) asked.`;
  return `${table}${count} Policies that select no pod there are not counted.\n${asked.join('')}${rest}`;
}
