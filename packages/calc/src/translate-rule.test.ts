import { describe, expect, test } from 'bun:test';
import type { Rule as ApiRule } from '@calico/api';
import { printRule } from '@calico/policy';
import { parseSelector } from '@calico/selector';
import type { SetDefinition } from './set-definition.ts';
import { translateRules } from './translate-rule.ts';

/** Writes the ids of sets as `<their selector>` so that cases can be read. */
function translate(rule: ApiRule, namespace?: string): string {
  const sets = new Map<string, SetDefinition>();
  const [translated] = translateRules([rule], namespace, sets);
  if (translated === undefined) throw new Error('no rule');
  let text = printRule(translated);
  for (const [id, set] of sets) {
    if (set.kind === 'service') continue;
    const selector = `<${set.selector.text}>`;
    text = text.replace(id, set.kind === 'selector' ? selector : `${selector}:${set.protocol ?? 'any'}:${set.port}`);
  }
  return text;
}

describe('translateRules', () => {
  const cases: readonly { name: string; rule: ApiRule; namespace?: string; want: string }[] = [
    { name: 'an empty rule', rule: { action: 'Allow' }, want: 'allow everything' },
    { name: 'each action', rule: { action: 'Log' }, want: 'log everything' },
    { name: 'the IP version', rule: { action: 'Pass', ipVersion: 6 }, want: 'pass ipv6' },
    {
      name: 'protocols by name and number',
      rule: { action: 'Deny', protocol: 'UDPLite', notProtocol: 47 },
      want: 'deny protocol udplite, not protocol 47',
    },
    {
      name: 'ICMP and its negation',
      rule: { action: 'Allow', protocol: 'ICMP', icmp: { type: 8 }, notICMP: { type: 3, code: 1 } },
      want: 'allow protocol icmp, icmp type 8, not icmp type 3 code 1',
    },
    {
      name: 'ICMP without a type as no condition',
      rule: { action: 'Allow', protocol: 'ICMP', icmp: {} },
      want: 'allow protocol icmp',
    },
    {
      name: 'nets, masked, and their negation',
      rule: { action: 'Allow', source: { nets: ['10.1.2.3/8', '11.0.0.0/8'], notNets: ['10.1.0.0/16'] } },
      want: 'allow ipv4, source in {10.0.0.0/8, 11.0.0.0/8}, source not in {10.1.0.0/16}',
    },
    {
      name: 'empty lists as no condition',
      rule: { action: 'Allow', source: { nets: [], ports: [] } },
      want: 'allow everything',
    },
    {
      name: 'ports and ranges',
      rule: { action: 'Allow', protocol: 'TCP', destination: { ports: [80, '90:99', '443'], notPorts: [95] } },
      want: 'allow protocol tcp, destination port in {80, 90-99, 443}, destination port not in {95}',
    },
    {
      name: 'selectors of both sides',
      rule: { action: 'Allow', source: { selector: 'has(a)' }, destination: { notSelector: 'has(b)' } },
      want: 'allow source in set <has(a)>, destination not in set <has(b)>',
    },
    {
      name: 'a named port of everything',
      rule: { action: 'Allow', protocol: 'TCP', destination: { ports: ['http'] } },
      want: 'allow protocol tcp, destination port in {<all()>:tcp:http}',
    },
    {
      name: 'a named port without protocol',
      rule: { action: 'Allow', destination: { ports: ['http'] } },
      want: 'allow destination port in {<all()>:any:http}',
    },
    {
      name: 'named ports within the selector, whose set is spared',
      rule: { action: 'Allow', protocol: 'UDP', destination: { selector: 'has(a)', ports: ['dns'] } },
      want: 'allow protocol udp, destination port in {<has(a)>:udp:dns}',
    },
    {
      name: 'named and numeric ports together',
      rule: { action: 'Allow', protocol: 'SCTP', destination: { selector: 'has(a)', ports: ['x', 80] } },
      want: 'allow protocol sctp, destination in set <has(a)>, destination port in {80, <has(a)>:sctp:x}',
    },
    {
      name: 'negated named ports',
      rule: { action: 'Deny', protocol: 'TCP', source: { selector: 'has(a)', notPorts: ['x'] } },
      want: 'deny protocol tcp, source in set <has(a)>, source port not in {<has(a)>:tcp:x}',
    },
    {
      name: 'a service as destination, with its ports',
      rule: { action: 'Allow', destination: { services: { name: 'web', namespace: 'shop' } } },
      want: 'allow destination with port in set svc:shop/web',
    },
    {
      name: "a service as source in the policy's namespace, addresses alone",
      rule: { action: 'Allow', source: { services: { name: 'web' } } },
      namespace: 'shop',
      want: 'allow source in set svcnoport:shop/web',
    },
  ];
  for (const { name, rule, namespace, want } of cases) {
    test(`translates ${name}`, () => expect(translate(rule, namespace)).toBe(want));
  }

  const bad: readonly { name: string; rule: ApiRule }[] = [
    { name: 'a net that is none', rule: { action: 'Allow', source: { nets: ['10.0.0.0/33'] } } },
    {
      name: 'sides of different IP versions',
      rule: { action: 'Allow', source: { nets: ['10.0.0.0/8'] }, destination: { notNets: ['fd00::/64'] } },
    },
    { name: 'a port above 65535', rule: { action: 'Allow', protocol: 'TCP', destination: { ports: [65536] } } },
    {
      name: 'a range that runs backwards',
      rule: { action: 'Allow', protocol: 'TCP', destination: { ports: ['9:8'] } },
    },
    { name: 'a protocol that is unknown', rule: { action: 'Allow', protocol: 'HTTP' } },
    { name: 'a selector that is none', rule: { action: 'Allow', source: { selector: 'a = b' } } },
    { name: 'ports of a protocol without ports', rule: { action: 'Allow', protocol: 'ICMP', source: { ports: [80] } } },
    { name: 'a service without namespace', rule: { action: 'Allow', source: { services: { name: 'web' } } } },
  ];
  for (const { name, rule } of bad) {
    test(`refuses ${name}`, () => expect(() => translateRules([rule], undefined, new Map())).toThrow());
  }

  test('names each set by what it holds', () => {
    const sets = new Map<string, SetDefinition>();
    translateRules([{ action: 'Allow', source: { selector: "a=='b'" } }], undefined, sets);
    translateRules([{ action: 'Allow', destination: { selector: 'a == "b"' } }], undefined, sets);
    expect([...sets.keys()]).toEqual([parseSelector('a == "b"').id]);
  });

  test('keeps the positions of rules', () => {
    const rules = translateRules([{ action: 'Allow' }, { action: 'Deny' }], undefined, new Map());
    expect(rules.map(({ index, action }) => [index, action])).toEqual([
      [0, 'allow'],
      [1, 'deny'],
    ]);
  });
});
