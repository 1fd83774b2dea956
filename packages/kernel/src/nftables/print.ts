import { fieldsOf, isConcatenation, printField, printKey, splitKey } from './field-type.ts';
import { compareKeys } from './keys.ts';
import { printRule } from './print-rule.ts';
import type { ChainDump, ChainSpec, Element, SetDump, SetSpec, SetType, TableDump } from './types.ts';
import { printVerdict } from './verdict.ts';

/** How much of what changes by itself is printed. */
export interface PrintOptions {
  /** Packets and bytes of named counters; default false, for texts to be compared. */
  readonly counters?: boolean;
  /** Handles of rules; default false. */
  readonly handles?: boolean;
}

function typeText(type: SetType): string {
  return fieldsOf(type).join(' . ');
}

function setHead(set: SetSpec): string[] {
  const { keyType, map, flags } = set;
  const data = typeof map === 'object' ? typeText(map.type) : map;
  const lines = [`type ${typeText(keyType)}${data === undefined ? '' : ` : ${data}`}`];
  if (flags.length > 0) lines.push(`flags ${flags.join(',')}`);
  if (set.size !== undefined) lines.push(`size ${set.size}`);
  if (set.timeout !== undefined) lines.push(`timeout ${set.timeout}ms`);
  if (set.counters) lines.push('counter');
  if (set.comment !== undefined) lines.push(`comment "${set.comment}"`);
  return lines;
}

/** `10.0.0.0-10.0.0.255`; a concatenation has a range in each field that has more than one value. */
function printElementKey(type: SetType, { key, keyEnd }: Element): string {
  if (keyEnd === undefined) return printKey(type, key);
  if (!isConcatenation(type)) return `${printKey(type, key)}-${printKey(type, keyEnd)}`;
  const lasts = splitKey(type, keyEnd);
  const ranges = splitKey(type, key).map((first, i) => {
    const last = lasts[i] ?? first;
    const from = printField(type[i], first);
    return compareKeys(first, last) === 0 ? from : `${from}-${printField(type[i], last)}`;
  });
  return ranges.join(' . ');
}

/** One element as nft prints it: `10.0.0.1 . tcp . 80 : jump web`. */
export function printElement(set: SetSpec, element: Element, options: PrintOptions = {}): string {
  const { data, counter } = element;
  const counts = counter && options.counters ? ` packets ${counter.packets} bytes ${counter.bytes}` : '';
  const parts = [printElementKey(set.keyType, element) + (set.counters ? ` counter${counts}` : '')];
  if (element.timeout !== undefined) parts.push(`timeout ${element.timeout}ms`);
  if (element.comment !== undefined) parts.push(`comment "${element.comment}"`);
  if (data instanceof Uint8Array) {
    parts.push(`: ${typeof set.map === 'object' ? printKey(set.map.type, data) : Buffer.from(data).toString('hex')}`);
  } else if (data?.kind === 'counter') {
    parts.push(`: "${data.name}"`);
  } else if (data !== undefined) {
    parts.push(`: ${printVerdict(data)}`);
  }
  return parts.join(' ');
}

/** A set or map with its elements, one a line, in order of their keys. */
function printSet({ set, elements }: SetDump, options: PrintOptions = {}): string {
  const sorted = [...elements].sort((a, b) => compareKeys(a.key, b.key));
  const lines = setHead(set).map(line => `\t\t${line}`);
  if (sorted.length > 0) {
    lines.push('\t\telements = {', ...sorted.map(e => `\t\t\t${printElement(set, e, options)},`), '\t\t}');
  }
  return [`\t${set.map === undefined ? 'set' : 'map'} ${set.name} {`, ...lines, '\t}'].join('\n');
}

function chainHead(chain: ChainSpec): string[] {
  const { hook, type = 'filter', priority = 0, policy = 'accept', comment } = chain;
  const lines = comment === undefined ? [] : [`comment "${comment}"`];
  if (hook !== undefined) lines.push(`type ${type} hook ${hook} priority ${priority}; policy ${policy};`);
  return lines;
}

/** A chain with its rules; `dump` says what sets the rules refer to. */
function printChain({ chain, rules }: ChainDump, dump: TableDump, options: PrintOptions = {}): string {
  const setOf = (name: string) => dump.sets.find(({ set }) => set.name === name)?.set;
  const context = { family: dump.table.family, setOf };
  const lines = [
    ...chainHead(chain),
    ...rules.map(({ exprs, comment, handle }) => {
      const text = printRule(exprs, context, comment);
      return options.handles ? `${text} # handle ${handle}` : text;
    }),
  ];
  return [`\tchain ${chain.name} {`, ...lines.map(line => `\t\t${line}`), '\t}'].join('\n');
}

/**
 * A table much as `nft list table` prints it, sets and counters in order of their names and chains in their own, so that
 * equal tables have equal texts.
 */
export function printTable(dump: TableDump, options: PrintOptions = {}): string {
  const { family, name } = dump.table;
  const byName = <T>(list: readonly T[], nameOf: (one: T) => string) =>
    [...list].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const blocks = [
    ...byName(dump.counters, counter => counter.name).map(({ name, packets, bytes }) => {
      return `\tcounter ${name} {${options.counters ? ` packets ${packets} bytes ${bytes} ` : ''}}`;
    }),
    ...byName(dump.sets, ({ set }) => set.name).map(set => printSet(set, options)),
    ...dump.chains.map(chain => printChain(chain, dump, options)),
  ];
  const flags = [...(dump.owner === undefined ? [] : ['owner']), ...(dump.persist ? ['persist'] : [])];
  const head = flags.length > 0 ? [`\tflags ${flags.join(',')}`] : [];
  return [`table ${family} ${name} {`, ...head, ...blocks, '}', ''].join('\n');
}
