import { readFiles } from '../files/read-files.ts';
import type { World } from '../world.ts';

/** What one node counted of one rule. */
export interface RuleCount {
  /** As rules' programs name it: `np/shop/web`. */
  readonly policy: string;
  readonly tier: string;
  readonly direction: string;
  /** The rule's position in the policy's own list, from 0. */
  readonly index: number;
  readonly action: string;
  readonly packets: number;
  /** From then on no hit was missed, ISO 8601. */
  readonly since?: string;
  /** When the last hit was noticed, ISO 8601. */
  readonly lastHit?: string;
}

/** What a node counted. */
export interface NodeCounts {
  readonly node: string;
  /** Since when it counts, ISO 8601, or in words. */
  readonly since?: string;
  /** When it was asked, ISO 8601. */
  readonly at?: string;
  /** How exact the time of a last hit is. */
  readonly resolutionSeconds?: number;
  readonly rules: readonly RuleCount[];
}

/** More rules than any node has. */
const allRows = 10_000_000;

/** The agent of this machine. Rejects with an Error in words. */
export async function countsHere(world: World): Promise<NodeCounts> {
  return countsOf(await world.agentTable('rules', allRows), 'the agent');
}

/** Files that `calico debug tables rules -o json` has written on nodes. Throws an Error that names the file. */
export function countsInFiles(paths: readonly string[], world: World): NodeCounts[] {
  const files = paths.flatMap(path => readFiles(path, false, world));
  return files.map(({ name, text }) => {
    try {
      return countsOf(JSON.parse(text), name);
    } catch (err) {
      if (err instanceof SyntaxError) throw new Error(`${name}: it is not JSON: ${err.message}`, { cause: err });
      throw err;
    }
  });
}

/** A table of rules, as agents give it and files keep it. */
function countsOf(value: unknown, from: string): NodeCounts {
  const { table, node, at, facts, rows, more } = record(value);
  if (table !== 'rules' || typeof node !== 'string' || !Array.isArray(rows)) {
    throw new Error(`${from}: it holds no table of rules; allowed: what "calico debug tables rules -o json" prints`);
  }
  if (more === true) throw new Error(`${from}: rules of ${node} are missing; save them again with --limit ${allRows}`);
  const { since, resolutionSeconds } = record(facts);
  return {
    node,
    ...(typeof at === 'string' ? { at } : {}),
    ...(typeof since === 'string' ? { since } : {}),
    ...(typeof resolutionSeconds === 'number' ? { resolutionSeconds } : {}),
    rules: rows.map((row, i) => ruleCount(record(row), `${from}: row ${i}`)),
  };
}

function ruleCount(row: Readonly<Record<string, unknown>>, where: string): RuleCount {
  const text = (name: string): string => {
    const value = row[name];
    if (typeof value !== 'string') throw new Error(`${where}: ${name} is ${JSON.stringify(value)}; allowed: text`);
    return value;
  };
  const number = (name: string): number => {
    const value = row[name];
    if (typeof value !== 'number') throw new Error(`${where}: ${name} is ${JSON.stringify(value)}; allowed: a number`);
    return value;
  };
  return {
    ...{ policy: text('policy'), tier: text('tier'), direction: text('direction'), index: number('index') },
    ...{ action: text('action'), packets: number('packets') },
    ...(typeof row.since === 'string' ? { since: row.since } : {}),
    ...(typeof row.lastHit === 'string' ? { lastHit: row.lastHit } : {}),
  };
}

/**
 * What a Prometheus has of all nodes: rules that are there now, with the most that it saw of each within `window`. Rejects with
 * an Error in words.
 */
export async function countsInPrometheus(url: string, window: string, world: World): Promise<NodeCounts[]> {
  const ask = async (query: string): Promise<readonly Sample[]> =>
    samplesOf(await world.fetchJson(queryUrl(url, query)));
  const [hosts, present, most] = await Promise.all([
    ask('felix_host'),
    ask('felix_rule_packets'),
    ask(`max_over_time(felix_rule_packets[${window}])`),
  ]);
  const nodes = new Map(hosts.map(({ labels }) => [targetOf(labels), labels.host ?? targetOf(labels)]));
  const seen = new Map(most.map(({ labels, value }) => [`${targetOf(labels)} ${labels.rule}`, value]));
  const rules = new Map<string, RuleCount[]>();
  for (const { labels, value } of present) {
    const target = targetOf(labels);
    const [, policy, direction, index] = /^(.+)\/(ingress|egress)\/(\d+)$/.exec(labels.rule ?? '') ?? [];
    // Profiles and the ends of tiers are counted too, and have no action here.
    if (policy === undefined || direction === undefined || !labels.action) continue;
    const { tier = '', action } = labels;
    const packets = seen.get(`${target} ${labels.rule}`) ?? value;
    const ofNode = rules.get(target) ?? [];
    ofNode.push({ policy, tier, direction, index: Number(index), action, packets });
    rules.set(target, ofNode);
  }
  const targets = new Set([...nodes.keys(), ...rules.keys()]);
  return [...targets].map(target => ({
    node: nodes.get(target) ?? target,
    since: `within ${window}, as far as ${url} has it`,
    rules: rules.get(target) ?? [],
  }));
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What tells nodes apart where their names are not known. */
function targetOf({ job = '', instance = '' }: Readonly<Record<string, string>>): string {
  return job === '' ? instance : `${job}/${instance}`;
}

function queryUrl(url: string, query: string): string {
  return `${url.replace(/\/+$/, '')}/api/v1/query?query=${encodeURIComponent(query)}`;
}

/** The answer of Prometheus' HTTP API to an instant query. https://prometheus.io/docs/prometheus/latest/querying/api/ */
function samplesOf(answer: unknown): Sample[] {
  const { status, error, data } = record(answer);
  if (status !== 'success') throw new Error(`Prometheus refused the query: ${String(error ?? 'no cause given')}`);
  const { result } = record(data);
  return (Array.isArray(result) ? result : []).map(each => {
    const { metric, value } = record(each);
    return {
      labels: record(metric) as Record<string, string>,
      value: Number(Array.isArray(value) ? value[1] : Number.NaN),
    };
  });
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
