import { type Cidr, printCidr } from '@calico/ip';
import type { Action, Clause, Condition, FilterFunction } from '../filter.ts';

type Printers<T extends { kind: string }> = { readonly [K in T['kind']]: (value: Extract<T, { kind: K }>) => string };

/** local_pref and metric add up to this: 2^31 - 1. */
const TOP = 2147483647;

const CONDITIONS: Printers<Condition> = {
  exactly: ({ cidr }) => `net = ${prefix(cidr)}`,
  within: ({ cidr }) => `net ~ ${prefix(cidr)}`,
  interface: ({ pattern }) => (pattern.includes('*') ? `ifname ~ "${pattern}"` : `ifname = "${pattern}"`),
  fromBgp: () => 'source = RTS_BGP',
  connected: () => 'source = RTS_DEVICE',
  internalPeer: () => 'internal_peer',
  // A route that BIRD learned from the kernel always has a metric; 0 there is the kernel's "none given".
  noMetric: () => '(!defined(krt_metric) || krt_metric = 0)',
  metricBelow: ({ metric }) => `krt_metric < ${metric}`,
  localPrefAbove: ({ localPref }) => `(defined(bgp_local_pref) && bgp_local_pref > ${localPref})`,
  not: ({ condition }) => `!(${printCondition(condition)})`,
};

const ACTIONS: Printers<Action> = {
  accept: () => 'accept;',
  reject: () => 'reject;',
  setMetric: ({ metric }) => `krt_metric = ${metric};`,
  setPreference: ({ preference }) => `preference = ${preference};`,
  metricFromLocalPref: () => `krt_metric = ${TOP} - bgp_local_pref;`,
  localPrefFromMetric: () => `bgp_local_pref = ${TOP} - krt_metric;`,
  addCommunity: ({ parts }) =>
    `${parts.length === 2 ? 'bgp_community' : 'bgp_large_community'}.add((${parts.join(', ')}));`,
  call: action => `${action.function}(${action.internalPeer ?? ''});`,
};

/** A function of BIRD's filter language. */
export function renderFunction({ name, takesInternalPeer, clauses }: FilterFunction): string[] {
  const head = `function ${name}(${takesInternalPeer ? 'bool internal_peer' : ''})`;
  return [`${head} {`, ...clauses.map(clause => `  ${renderClause(clause)}`), '}'];
}

/** One clause on one line. */
export function renderClause({ note, when, do: actions }: Clause): string {
  const texts = actions.map(printAction);
  const body = texts.length === 1 ? texts[0] : `{ ${texts.join(' ')} }`;
  const test = when.length === 0 ? '' : `if ${when.map(printCondition).join(' && ')} then `;
  return `${test}${body}${note === undefined ? '' : ` # ${note}`}`;
}

function printCondition(condition: Condition): string {
  // The record has the right printer for each kind; the type checker cannot follow a union through an index.
  return (CONDITIONS[condition.kind] as (value: Condition) => string)(condition);
}

function printAction(action: Action): string {
  return (ACTIONS[action.kind] as (value: Action) => string)(action);
}

function prefix(cidr: Cidr): string {
  return printCidr(cidr);
}
