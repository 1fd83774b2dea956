import { expect, test } from 'bun:test';
import { printRule } from '@calico/kernel';
import type { Match, Rule } from '@calico/policy';
import { icmp, ipPortSet, ipSet, nets, ports, protocol, rule } from '../testing/builders.ts';
import { expectGolden } from '../testing/golden.ts';
import { verdict } from './expressions.ts';
import { mergeRanges, printLiteral, type RenderContext, renderRule } from './render-rule.ts';

const both = (name: string, make: (negated: boolean) => Match[]) => [
  { name, rule: rule('allow', make(false)) },
  { name: `${name}, negated`, rule: rule('allow', make(true)) },
];
const tcp = protocol(6);

/** `s:hosts` has addresses alone, any other set networks too. */
const cases: { name: string; rule: Rule }[] = [
  { name: 'no match', rule: rule('allow') },
  ...(['deny', 'pass', 'log'] as const).map(action => ({ name: `action ${action}`, rule: rule(action) })),
  { name: 'IPv4 only', rule: { ...rule('allow'), ipVersion: 4 } },
  { name: 'IPv6 only', rule: { ...rule('allow'), ipVersion: 6 } },
  ...both('protocol', negated => [protocol(17, negated)]),
  ...both('ICMP type', negated => [icmp(8, undefined, negated)]),
  ...both('ICMP type and code', negated => [icmp(3, 1, negated)]),
  ...both('one network', negated => [nets('source', ['10.0.0.0/20'], negated)]),
  ...both('one network of IPv6', negated => [nets('destination', ['fd00::/61'], negated)]),
  ...both('one address', negated => [nets('destination', ['10.0.0.7/32'], negated)]),
  ...both('everything', negated => [nets('destination', ['0.0.0.0/0'], negated)]),
  ...both('several networks', negated => [nets('source', ['10.1.0.0/16', '10.0.0.0/8', '11.0.0.0/8'], negated)]),
  ...both('networks of both families', negated => [nets('source', ['10.0.0.0/8', 'fd00::/8', 'fe00::/8'], negated)]),
  ...both('no network', negated => [nets('source', [], negated)]),
  {
    name: 'network with except',
    rule: rule('allow', [nets('source', ['10.0.0.0/8']), nets('source', ['10.1.0.0/16'], true)]),
  },
  ...both('set of addresses', negated => [ipSet('source', 's:hosts', negated)]),
  ...both('set with networks', negated => [ipSet('destination', 's:nets', negated)]),
  ...both('one port', negated => [tcp, ports('destination', ['80'], [], negated)]),
  ...both('one range of ports', negated => [tcp, ports('source', ['1024-65535'], [], negated)]),
  ...both('several ranges of ports', negated => [tcp, ports('destination', ['443', '80-90', '85-100'], [], negated)]),
  ...both('one named port', negated => [tcp, ports('destination', [], ['n:http'], negated)]),
  ...both('ports and named ports', negated => [
    tcp,
    ports('destination', ['80', '443'], ['n:http', 'n:metrics'], negated),
  ]),
  ...both('no port', negated => [tcp, ports('destination', [], [], negated)]),
  ...both('service', negated => [ipPortSet('destination', 'svc:web', negated)]),
  { name: 'ports before the protocol', rule: rule('allow', [ports('destination', ['80']), tcp]) },
  {
    name: 'two matches with alternatives',
    rule: rule('log', [ipSet('source', 's:nets'), ports('destination', ['80'], ['n:http']), tcp]),
  },
];

function context(family: 4 | 6): RenderContext {
  return {
    family,
    hasNets: set => set !== 's:hosts',
    literal: set => `{ ${printLiteral(set)} }`,
    counter: ({ index }) => `hits/${index}`,
    pass: verdict('return'),
    log: ({ index }) => ({ kind: 'log', group: 3, prefix: `hits/${index}` }),
  };
}

test('rules become what the golden file shows', () => {
  const text = cases.map(({ name, rule }) => {
    const rendered = ([4, 6] as const).flatMap(family => {
      const lines = renderRule(rule, context(family)).map(exprs =>
        printRule(exprs, { family: family === 4 ? 'ip' : 'ip6' }),
      );
      return (lines.length > 0 ? lines : ['(none)']).map(line => `  IPv${family}: ${line}`);
    });
    return [`# ${name}`, ...rendered, ''].join('\n');
  });
  expectGolden('render-rule.nft', text.join('\n'));
});

test('the cases cover every kind of match, both ways', () => {
  const seen = new Set(cases.flatMap(({ rule }) => rule.matches.map(match => `${match.kind} ${match.negated}`)));
  const kinds: readonly Match['kind'][] = ['protocol', 'icmp', 'nets', 'ipSet', 'ports', 'ipPortSet'];
  expect([...seen].sort()).toEqual(kinds.flatMap(kind => [`${kind} false`, `${kind} true`]).sort());
});

test.each([
  { name: 'sorts', ranges: '443-443 80-80', merged: '80-80 443-443' },
  { name: 'joins what overlaps', ranges: '80-90 85-100', merged: '80-100' },
  { name: 'joins what touches', ranges: '80-80 81-81', merged: '80-81' },
  { name: 'leaves out what a wider one holds', ranges: '1-65535 80-80', merged: '1-65535' },
  { name: 'keeps neighbours with a gap apart', ranges: '80-80 82-82', merged: '80-80 82-82' },
])('mergeRanges $name', ({ ranges, merged }) => {
  const list = ranges.split(' ').map(text => {
    const [first, last] = text.split('-').map(Number);
    return { first: first ?? 0, last: last ?? 0 };
  });
  expect(printLiteral({ kind: 'ports', ranges: mergeRanges(list) })).toBe(merged);
});
