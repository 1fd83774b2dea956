import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FelixConfiguration } from '@calico/api';
import { type Parameter, parameterName } from '@calico/calc';
import { dataplaneParameters } from '@calico/dataplane';
import { agentParameters } from './felix-config.ts';
import { readElsewhere, unusedParameters } from './felix-unused.ts';

const page = join(import.meta.dir, '../../../../docs/felix.md');

const followed: readonly Parameter<unknown>[] = [
  ...Object.values<Parameter<unknown>>(dataplaneParameters),
  ...Object.values<Parameter<unknown>>(agentParameters),
];

/** A table of Markdown with columns of one width each. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...[head, ...rows].map(row => row[column]?.length ?? 0));
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(width(i))).join(' | ')} |`;
  const rule = `| ${head.map((_, i) => '-'.repeat(width(i))).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

const byName = <T extends { readonly name: string }>(list: readonly T[]) =>
  list.toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
const code = (text: string) => (text === '' ? '' : `\`${text}\``);

/** What the page says between its marks, by the mark's name. */
function generated(): Record<string, string> {
  const reasons = new Map<string, string[]>();
  for (const { name, why } of byName(unusedParameters)) reasons.set(why, [...(reasons.get(why) ?? []), name]);
  return {
    followed: table(
      ['parameter', 'default', 'allowed', 'effect'],
      byName(followed).map(({ name, defaultText, allowed, effect }) => [
        code(name),
        code(defaultText),
        allowed,
        effect,
      ]),
    ),
    elsewhere: table(
      ['parameter', 'read for'],
      byName(readElsewhere).map(({ name, effect }) => [code(name), effect]),
    ),
    unused: [...reasons].map(([why, names]) => `- **${why}**: ${names.map(code).join(', ')}.`).join('\n'),
  };
}

test('the page on Felix’s parameters says what the code does (UPDATE_GOLDEN=1 writes it)', () => {
  const text = readFileSync(page, 'utf8');
  const marked = /(<!-- generated: (\w+) -->\n\n).*?(\n\n<!-- end -->)/gs;
  const parts = generated();
  const wanted = text.replace(marked, (_, start, name, end) => `${start}${parts[name]}${end}`);
  expect([...text.matchAll(marked)].map(([, , name]) => name)).toEqual(Object.keys(parts));
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(page, wanted);
  expect(readFileSync(page, 'utf8')).toBe(wanted);
});

test('every parameter is of one kind: followed, read elsewhere or without effect', () => {
  const names = [...followed, ...readElsewhere, ...unusedParameters].map(({ name }) => name.toLowerCase());
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test('every field of a FelixConfiguration is a parameter that is known', () => {
  const known = new Set([...followed, ...readElsewhere, ...unusedParameters].map(({ name }) => name.toLowerCase()));
  const { properties } = FelixConfiguration.schema as { properties?: { spec?: { properties?: object } } };
  const fields = Object.keys(properties?.spec?.properties ?? {}).filter(field => field !== 'nodeSelector');
  expect(fields.length).toBeGreaterThan(150);
  expect(fields.filter(field => !known.has(parameterName(field).toLowerCase()))).toEqual([]);
});

test.each(followed.filter(({ defaultText }) => defaultText !== ''))(
  '$name: its default is what $defaultText says',
  each => {
    expect(each.parse(each.defaultText)).toEqual(each.fallback);
  },
);
