import { describe, expect, test } from 'bun:test';
import { addr, cidr } from '@calico/ip';
import { evaluate, type World } from './evaluate.ts';
import type { Action, DirectionProgram, Match, Packet, PolicyProgram, ProfileProgram, Rule } from './program.ts';

function rule(index: number, action: Action, ...matches: Match[]): Rule {
  return { index, action, matches };
}

const PORT_80: Match = {
  kind: 'ports',
  side: 'destination',
  ranges: [{ first: 80, last: 80 }],
  sets: [],
  negated: false,
};
const PORT_81: Match = { ...PORT_80, ranges: [{ first: 81, last: 90 }] };

function policy(id: string, rules: readonly Rule[], staged = false): PolicyProgram {
  return { id, tier: 'default', staged, ingress: rules, egress: [] };
}

const POLICIES: readonly PolicyProgram[] = [
  policy('empty', []),
  policy('allow-80', [rule(0, 'allow', PORT_80)]),
  policy('deny-80', [rule(0, 'log', PORT_80), rule(1, 'deny', PORT_80)]),
  policy('pass-80', [rule(0, 'pass', PORT_80)]),
  policy('allow-81', [rule(0, 'allow', PORT_81)]),
  policy('log-all', [rule(0, 'log')]),
  policy('staged-allow', [rule(0, 'allow')], true),
  policy('staged-deny', [rule(0, 'deny')], true),
  policy('staged-pass', [rule(0, 'pass')], true),
];

const PROFILES: readonly ProfileProgram[] = [
  { id: 'allow', ingress: [rule(0, 'allow')], egress: [] },
  { id: 'deny', ingress: [rule(0, 'deny')], egress: [] },
  { id: 'pass', ingress: [rule(0, 'pass')], egress: [] },
  { id: 'none', ingress: [], egress: [] },
];

const world: World = {
  policy: id => POLICIES.find(p => p.id === id),
  profile: id => PROFILES.find(p => p.id === id),
  setContains: () => false,
};

const packet: Packet = {
  family: 4,
  source: addr('10.0.0.1'),
  destination: addr('10.0.0.2'),
  protocol: 6,
  sourcePort: 40000,
  destinationPort: 80,
};

/** Text `tier!: policies | tier: policies | profiles`; `!` marks default action pass. */
function program(text: string): DirectionProgram {
  const parts = text.split('|').map(part => part.trim());
  const profiles = (parts.pop() ?? '').split(' ').filter(Boolean);
  const tiers = parts.map(part => {
    const [name = '', policies = ''] = part.split(':');
    return {
      name: name.replace('!', ''),
      defaultAction: name.endsWith('!') ? ('pass' as const) : ('deny' as const),
      policies: policies.split(' ').filter(Boolean),
    };
  });
  return { tiers, profiles };
}

describe('evaluate', () => {
  const cases = [
    { name: 'denies without tiers and profiles', program: '', want: 'deny' },
    { name: 'asks profiles when there is no tier', program: 'allow', want: 'allow' },
    { name: 'takes the first profile that decides', program: 'none deny allow', want: 'deny' },
    { name: 'lets a profile pass to the next one', program: 'pass allow', want: 'allow' },
    { name: 'denies when no profile decides', program: 'none pass', want: 'deny' },
    { name: 'allows by the first matching policy', program: 'a: empty allow-80 deny-80 | deny', want: 'allow' },
    { name: 'denies by the first matching policy', program: 'a: deny-80 allow-80 | allow', want: 'deny' },
    { name: 'denies at the end of a tier', program: 'a: allow-81 | allow', want: 'deny' },
    { name: 'denies at the end of a tier whose policies have no rules', program: 'a: empty | allow', want: 'deny' },
    { name: 'goes on after log', program: 'a: log-all allow-80 | deny', want: 'allow' },
    { name: 'denies at the end of a tier that only logged', program: 'a: log-all | allow', want: 'deny' },
    { name: 'goes on at the end of a tier that passes by default', program: 'a!: allow-81 | allow', want: 'allow' },
    { name: 'leaves the tier by pass', program: 'a: pass-80 deny-80 | allow', want: 'allow' },
    { name: 'asks the next tier after pass', program: 'a: pass-80 | b: deny-80 | allow', want: 'deny' },
    { name: 'does not let a later tier overrule', program: 'a: allow-80 | b: deny-80 | deny', want: 'allow' },
    { name: 'passes a tier of staged policies only', program: 'a: staged-deny | allow', want: 'allow' },
    { name: 'never allows by a staged policy', program: 'a: staged-allow | deny', want: 'deny' },
    { name: 'asks on behind a staged policy', program: 'a: staged-allow deny-80 | allow', want: 'deny' },
    { name: 'does not pass by a staged policy', program: 'a: staged-pass allow-81 | allow', want: 'deny' },
  ] as const;
  for (const { name, program: text, want } of cases) {
    test(name, () => expect(evaluate(program(text), 'ingress', world, packet).verdict).toBe(want));
  }

  test('uses the rules of the direction', () => {
    expect(evaluate(program('allow'), 'egress', world, packet).verdict).toBe('deny');
  });

  test('tells the whole way', () => {
    const { trace } = evaluate(program('a: staged-deny pass-80 | b!: allow-81 | none allow'), 'ingress', world, packet);
    expect(trace).toEqual([
      {
        kind: 'policy',
        tier: 'a',
        policy: 'staged-deny',
        staged: true,
        rules: [{ index: 0, action: 'deny' }],
        outcome: 'deny',
      },
      {
        kind: 'policy',
        tier: 'a',
        policy: 'pass-80',
        staged: false,
        rules: [{ index: 0, action: 'pass' }],
        outcome: 'pass',
      },
      {
        kind: 'policy',
        tier: 'b',
        policy: 'allow-81',
        staged: false,
        rules: [{ index: 0, action: 'allow', mismatch: PORT_81 }],
        outcome: 'none',
      },
      { kind: 'tierEnd', tier: 'b', outcome: 'pass', reason: 'defaultAction' },
      { kind: 'profile', profile: 'none', rules: [], outcome: 'none' },
      { kind: 'profile', profile: 'allow', rules: [{ index: 0, action: 'allow' }], outcome: 'allow' },
    ]);
  });

  test('refuses a program that names an unknown policy or profile', () => {
    expect(() => evaluate(program('a: lost |'), 'ingress', world, packet)).toThrow('Cannot evaluate policy "lost"');
    expect(() => evaluate(program('lost'), 'ingress', world, packet)).toThrow('Cannot evaluate profile "lost"');
  });

  test('names the first match that did not hold', () => {
    const nets: Match = { kind: 'nets', side: 'source', nets: [cidr('192.0.2.0/24')], negated: false };
    const two = policy('two', [rule(0, 'allow', PORT_80, nets, PORT_81)]);
    const { trace } = evaluate(program('a: two |'), 'ingress', { ...world, policy: () => two }, packet);
    expect(trace[0]).toMatchObject({ rules: [{ index: 0, mismatch: nets }] });
  });
});
