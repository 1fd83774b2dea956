import { beforeEach, describe, expect, test } from 'bun:test';
import type { EndpointId, LocalEndpoint, Message } from '@calico/calc';
import { fakeNftables } from '@calico/kernel/fake';
import type { DirectionProgram, PolicyProgram } from '@calico/policy';
import { seededRandom } from '@calico/reconcile';
import fc from 'fast-check';
import { endpoint, ipSet, policy, ports, program, protocol, rule, tier } from '../testing/builders.ts';
import { rulesetText, tableText } from '../testing/ruleset-text.ts';
import { anyMessage, completeWorld, messagesOf, worldAfter } from '../testing/worlds.ts';
import { bytesKey } from './address-sets.ts';
import { interfaceNameBytes } from './expressions.ts';
import { ruleCounter, tableName, workloadMap } from './names.ts';
import { NftablesWriter } from './nftables-writer.ts';
import { PolicyCompiler, type PolicyCompilerOptions } from './policy-compiler.ts';
import { Ruleset } from './ruleset.ts';

let ruleset: Ruleset;
let compiler: PolicyCompiler;

beforeEach(() => {
  ruleset = new Ruleset();
  compiler = new PolicyCompiler(ruleset);
});

const handle = (...messages: readonly Message[]): void => {
  for (const message of messages) compiler.handle(message);
  compiler.compile();
};
const policyIs = (policy: PolicyProgram): Message => ({ kind: 'policyUpdate', policy });
const endpointIs = (id: EndpointId, endpoint: LocalEndpoint): Message => ({ kind: 'endpointUpdate', id, endpoint });
const allowAll = policy('gnp/allow', [rule('allow')]);

/** The chain that the interface's packets go to. */
function chainOf(name: string, direction: 'ingress' | 'egress' = 'ingress', family: 4 | 6 = 4): string | undefined {
  return ruleset.sets.get(workloadMap(direction, family))?.elements.get(bytesKey(interfaceNameBytes(name)));
}

/** The chains that a chain's rules lead to. */
function jumpsOf(chain: string | undefined): string[] {
  return (ruleset.chains.get(chain ?? '')?.rules ?? [])
    .flat()
    .flatMap(expr => (expr.kind === 'verdict' && expr.verdict.kind === 'jump' ? [expr.verdict.chain] : []));
}

const chainsNamed = (prefix: string) => [...ruleset.chains.keys()].filter(name => name.startsWith(prefix));
const countersOf = (chain: string | undefined) =>
  (ruleset.chains.get(chain ?? '')?.rules ?? [])
    .flat()
    .flatMap(expr => (expr.kind === 'objref' && 'name' in expr ? [expr.name] : []));

describe('sharing', () => {
  test('endpoints with equal programs share a chain', () => {
    const both = program([tier('default', ['gnp/allow'])]);
    handle(policyIs(allowAll), endpointIs('d/a', endpoint('calia', both)), endpointIs('d/b', endpoint('calib', both)));
    expect(chainOf('calia')).toBeDefined();
    expect(chainOf('calia')).toBe(chainOf('calib'));
    expect(chainsNamed('ingress/4/program')).toHaveLength(1);
  });

  test('endpoints with other programs share the chains of their policies', () => {
    handle(
      policyIs(allowAll),
      endpointIs('d/a', endpoint('calia', program([tier('default', ['gnp/allow'])]))),
      endpointIs('d/b', endpoint('calib', program([tier('default', ['gnp/allow'], 'pass')]))),
    );
    expect(chainOf('calia')).not.toBe(chainOf('calib'));
    expect(chainsNamed('ingress/4/gnp/allow')).toHaveLength(1);
  });

  test('a policy without rules for a direction or family has no chain there', () => {
    handle(
      policyIs({ ...allowAll, egress: [], ingress: [{ ...rule('allow'), ipVersion: 6 }] }),
      endpointIs('d/a', endpoint('calia', program([tier('default', ['gnp/allow'])]), { ipv6: ['fd00::1/128'] })),
    );
    expect([...ruleset.chains.keys()].filter(name => name.includes('gnp/allow'))).toEqual(
      chainsNamed('ingress/6/gnp/allow'),
    );
    expect(chainsNamed('ingress/6/gnp/allow')).toHaveLength(1);
  });
});

describe('tiers', () => {
  test('a policy that passes stands in the chain of its tier, from which pass returns', () => {
    const passes = policy('gnp/pass', [rule('pass', [protocol(6)])]);
    handle(
      policyIs(passes),
      policyIs(allowAll),
      endpointIs('d/a', endpoint('calia', program([tier('first', ['gnp/pass']), tier('second', ['gnp/allow'])]))),
    );
    const [first, second] = jumpsOf(chainOf('calia'));
    expect(first).toStartWith('ingress/4/tier/first/');
    expect(second).toStartWith('ingress/4/gnp/allow/');
    const rules = ruleset.chains.get(first ?? '')?.rules ?? [];
    expect(rules.map(r => r.at(-1))).toEqual([
      { kind: 'verdict', verdict: { kind: 'return' } },
      { kind: 'verdict', verdict: { kind: 'goto', chain: 'deny' } },
    ]);
    expect(chainsNamed('ingress/4/gnp/pass')).toEqual([]);
  });

  test.each([
    { name: 'denies what no rule decided', policies: ['gnp/allow'], defaultAction: 'deny', denies: true },
    {
      name: 'passes on when its default action says so',
      policies: ['gnp/allow'],
      defaultAction: 'pass',
      denies: false,
    },
    { name: 'passes on when all its policies are staged', policies: ['sgnp/s'], defaultAction: 'deny', denies: false },
    { name: 'denies with one policy enforced', policies: ['sgnp/s', 'gnp/allow'], defaultAction: 'deny', denies: true },
    { name: 'denies with a policy that is unknown', policies: ['gnp/none'], defaultAction: 'deny', denies: true },
  ] as const)('a tier $name', ({ policies, defaultAction, denies }) => {
    handle(
      policyIs(allowAll),
      policyIs(policy('sgnp/s', [rule('deny')], { staged: true })),
      endpointIs('d/a', endpoint('calia', program([tier('default', policies, defaultAction)]))),
    );
    expect(countersOf(chainOf('calia')).includes('tier/default/ingress/deny')).toBe(denies);
  });

  test('a staged policy is no part of the rules', () => {
    handle(
      policyIs(policy('sgnp/s', [rule('deny'), rule('pass')], { staged: true })),
      endpointIs('d/a', endpoint('calia', program([tier('default', ['sgnp/s'])]))),
    );
    expect([...ruleset.counters].filter(name => name.startsWith('sgnp/'))).toEqual([]);
  });

  test('an unknown policy comes in when it is told', () => {
    handle(endpointIs('d/a', endpoint('calia', program([tier('default', ['gnp/allow'])], ['kns.d']))));
    expect(jumpsOf(chainOf('calia'))).toEqual([]);
    handle(policyIs(allowAll));
    expect(jumpsOf(chainOf('calia'))).toHaveLength(1);
    handle({ kind: 'profileUpdate', profile: { id: 'kns.d', ingress: [rule('allow')], egress: [] } });
    expect(jumpsOf(chainOf('calia'))).toHaveLength(2);
  });
});

describe('interfaces', () => {
  test('of two endpoints with one interface the lower name has it, whichever came first', () => {
    const [one, other] = [program([], ['kns.one']), program([], ['kns.other'])];
    const profiles = ['kns.one', 'kns.other'].map(
      (id): Message => ({ kind: 'profileUpdate', profile: { id, ingress: [rule('allow')], egress: [] } }),
    );
    handle(...profiles, endpointIs('d/b', endpoint('calia', other)), endpointIs('d/a', endpoint('calia', one)));
    expect(jumpsOf(chainOf('calia'))[0]).toStartWith('ingress/4/profile/kns.one/');
    handle({ kind: 'endpointRemove', id: 'd/a' });
    expect(jumpsOf(chainOf('calia'))[0]).toStartWith('ingress/4/profile/kns.other/');
  });

  test.each([
    { name: 'that is not active', change: { active: false }, families: [] },
    { name: 'with IPv4 alone', change: {}, families: [4] },
    { name: 'with both families', change: { ipv6: ['fd00::1/128'] }, families: [4, 6] },
  ])('an endpoint $name leads to its programs for its families only', ({ change, families }) => {
    handle(endpointIs('d/a', endpoint('calia', program([]), change)));
    expect(([4, 6] as const).filter(family => chainOf('calia', 'egress', family) !== undefined)).toEqual([...families]);
  });

  test('a renamed interface leaves nothing under its old name', () => {
    handle(endpointIs('d/a', endpoint('calia', program([]))));
    handle(endpointIs('d/a', endpoint('calib', program([]))));
    expect(chainOf('calia')).toBeUndefined();
    expect(chainOf('calib')).toBeDefined();
  });
});

describe('sets', () => {
  const asking = [
    policyIs(policy('gnp/set', [rule('allow', [ipSet('source', 's:a')])])),
    endpointIs('d/a', endpoint('calia', program([tier('default', ['gnp/set'])]))),
  ];
  const members = (...list: string[]): Message => ({ kind: 'ipSetUpdate', id: 's:a', type: 'net', members: list });
  const askedSets = () => [...ruleset.sets.keys()].filter(name => name.startsWith('s-a/')).sort();

  test('a set is asked for networks as long as it has any', () => {
    handle(members('10.0.0.1/32'), ...asking);
    expect(askedSets()).toEqual(['s-a/4/hosts']);
    handle({ kind: 'ipSetDelta', id: 's:a', added: ['10.1.0.0/16'], removed: [] });
    expect(askedSets()).toEqual(['s-a/4/hosts', 's-a/4/nets']);
    handle({ kind: 'ipSetDelta', id: 's:a', added: [], removed: ['10.1.0.0/16'] });
    expect(askedSets()).toEqual(['s-a/4/hosts']);
  });

  test('a set that is told anew is asked as it is now', () => {
    handle(members('10.1.0.0/16'), ...asking);
    handle(members('10.0.0.1/32'));
    expect(askedSets()).toEqual(['s-a/4/hosts']);
    handle(members('10.0.0.0/8'));
    expect(askedSets()).toEqual(['s-a/4/hosts', 's-a/4/nets']);
  });

  test('a change of members alone leaves every chain as it is', () => {
    handle(members('10.0.0.1/32'), ...asking);
    ruleset.takeChanges();
    handle({ kind: 'ipSetDelta', id: 's:a', added: ['10.0.0.2/32'], removed: ['10.0.0.1/32'] });
    const changes = ruleset.takeChanges();
    expect([...changes.chains]).toEqual([]);
    expect([...changes.elements.keys()]).toEqual(['s-a/4/hosts']);
  });

  test('another network of a set is looked up where there was one already', () => {
    const options = { rulesInOrder: 0 };
    ruleset = new Ruleset();
    compiler = new PolicyCompiler(ruleset, options);
    handle(members('10.1.0.0/16'), ...asking);
    handle({ kind: 'ipSetDelta', id: 's:a', added: ['10.2.0.0/16'], removed: [] });
    const fresh = freshlyCompiled([members('10.1.0.0/16', '10.2.0.0/16'), ...asking], options);
    expect(rulesetText(ruleset)).toEqual(rulesetText(fresh));
  });

  test('equal lists of ports are one constant set', () => {
    const list = ports('destination', ['80', '443']);
    handle(
      policyIs(policy('gnp/set', [rule('allow', [protocol(6), list]), rule('deny', [protocol(17), list], 1)])),
      ...asking.slice(1),
    );
    expect([...ruleset.sets.keys()].filter(name => name.startsWith('ports/'))).toHaveLength(1);
  });
});

describe('the budget of lookups', () => {
  const options = { lookupBudget: 100 };
  const sets = Array.from({ length: 60 }, (_, i): Message => {
    return { kind: 'ipSetUpdate', id: `s:${i}`, type: 'net', members: [`10.0.0.${i}/32`] };
  });
  const rules = sets.map((_, i) => rule('allow', [ipSet('source', `s:${i}`)], i));
  const own = endpointIs('d/a', endpoint('calia', program([tier('default', ['gnp/a'])])));
  const maps = () => [...ruleset.sets.keys()].filter(name => name.startsWith('lookup/ingress/'));
  const policyOf = (count: number) => policyIs(policy('gnp/a', rules.slice(0, count)));

  beforeEach(() => {
    compiler = new PolicyCompiler(ruleset, options);
  });

  test('is kept: a program beyond it is asked rule by rule and counted, until its rules are fewer', () => {
    handle(...sets, policyOf(60), own);
    expect(compiler.programsOverBudget).toBe(1);
    expect(maps()).toEqual([]);
    expect(ruleset.sets.get('lookup/identities-4')?.elements.size).toBe(0);
    handle(policyOf(20));
    expect(compiler.programsOverBudget).toBe(0);
    expect(maps()).toHaveLength(2);
    expect(rulesetText(ruleset)).toEqual(rulesetText(freshlyCompiled([...sets, policyOf(20), own], options)));
  });

  test('is not crossed by what a change leaves behind: maps that are more than half of it are filled anew, whole', () => {
    const every = [protocol(6), protocol(17)].map(each => {
      return policyIs(
        policy(
          'gnp/a',
          rules.slice(0, 25).map(one => ({ ...one, matches: [...one.matches, each] })),
        ),
      );
    });
    for (const change of every) handle(...sets, change, own);
    expect(compiler.programsOverBudget).toBe(0);
    expect(rulesetText(ruleset)).toEqual(rulesetText(freshlyCompiled([...sets, ...every.slice(1), own], options)));
  });

  test('is kept when peers come later', () => {
    handle(...sets.slice(0, 20), policyOf(60), own);
    expect(compiler.programsOverBudget).toBe(0);
    handle(...sets);
    expect(compiler.programsOverBudget).toBe(1);
    expect(maps()).toEqual([]);
  });
});

describe('names', () => {
  const long = 'p'.repeat(253);

  test('are never longer than the kernel can hold', () => {
    const id = `knp/${'n'.repeat(63)}/${long}`;
    handle(
      policyIs(policy(id, [rule('allow'), rule('deny', [], 1)])),
      endpointIs('d/a', endpoint('calia', program([tier(long, [id])], [long]))),
      { kind: 'profileUpdate', profile: { id: long, ingress: [rule('log')], egress: [rule('log')] } },
    );
    for (const names of [ruleset.chains.keys(), ruleset.counters, ruleset.sets.keys()]) {
      for (const name of names) expect(name.length).toBeLessThanOrEqual(255);
    }
    expect(new Set([...ruleset.counters].filter(name => name.startsWith('knp/')))).toHaveProperty('size', 4);
  });

  test('of long counters still tell rules apart', () => {
    expect(ruleCounter(`${long}/a`, 'ingress', 0)).not.toBe(ruleCounter(`${long}/a`, 'ingress', 1));
    expect(ruleCounter('gnp/a', 'ingress', 0)).toBe('gnp/a/ingress/0');
  });
});

/** Messages, after which of them everything is compiled and written, and whether a known set is told by difference. */
const anyHistory = fc.array(fc.record({ message: anyMessage, write: fc.boolean(), byDelta: fc.boolean() }), {
  maxLength: 30,
});

test.each([
  { name: 'rules and lookups', rulesInOrder: 8 },
  { name: 'lookups alone', rulesInOrder: 0 },
])(
  'the $name depend on the present state only, and nothing is left when all is removed',
  ({ rulesInOrder }) => {
    const atStart = rulesetText(freshlyCompiled([], { rulesInOrder }));
    const property = fc.property(anyHistory, history => {
      const ruleset = new Ruleset();
      const compiler = new PolicyCompiler(ruleset, { rulesInOrder });
      const nftables = fakeNftables();
      const writer = new NftablesWriter(nftables, ruleset);
      const write = () => {
        compiler.compile();
        writer.apply();
      };
      for (const [i, { message, write: now, byDelta }] of history.entries()) {
        const before = worldAfter(history.slice(0, i).map(step => step.message));
        compiler.handle(byDelta ? asDelta(message, before) : message);
        if (now) write();
      }
      write();
      const world = worldAfter(history.map(step => step.message));
      const fresh = freshlyCompiled(messagesOf(world), { rulesInOrder });
      expect(rulesetText(ruleset)).toEqual(rulesetText(fresh));

      const other = fakeNftables();
      new NftablesWriter(other, fresh).apply();
      const table = { family: 'inet', name: tableName } as const;
      expect(tableText(nftables.dump(table))).toEqual(tableText(other.dump(table)));
      expect(nftables.check()).toEqual([]);

      for (const message of removalsOf(world)) compiler.handle(message);
      write();
      expect(rulesetText(ruleset)).toEqual(atStart);
    });
    fc.assert(property, { numRuns: 200, seed: 2 });
  },
  60_000,
);

/** In an order that the seed says. */
function shuffled<T>(list: readonly T[], random: { next(): number }): T[] {
  const placed = list.map(value => ({ value, place: random.next() }));
  return placed.sort((a, b) => a.place - b.place).map(({ value }) => value);
}

/** A world, then again and again the same policies in other places of the programs, one of them with other rules. */
const movingHistory = fc
  .tuple(completeWorld, fc.array(fc.integer(), { minLength: 1, maxLength: 4 }))
  .map(([world, seeds]) => {
    const steps = seeds.map(seed => {
      const random = seededRandom(seed);
      const moved = ({ tiers, profiles }: DirectionProgram): DirectionProgram => ({
        tiers: shuffled(tiers, random).map(tier => ({ ...tier, policies: shuffled(tier.policies, random) })),
        profiles: shuffled(profiles, random),
      });
      const endpoints = [...world.endpoints].map(([id, endpoint]) =>
        endpointIs(id, { ...endpoint, ingress: moved(endpoint.ingress), egress: moved(endpoint.egress) }),
      );
      const [changed, like] = shuffled([...world.policies.values()], random);
      if (changed === undefined || like === undefined || random.next() < 0.5) return endpoints;
      return [...endpoints, policyIs({ ...changed, ingress: like.ingress })];
    });
    return [messagesOf(world), ...steps];
  });

describe('a rule for some peers and one for all', () => {
  const some = [rule('allow', [protocol(6), ports('source', ['80']), ipSet('source', 's:a')])];
  const places = (...policies: string[]) =>
    endpointIs('default/a', endpoint('calia', program([tier('default', policies)])));
  /** The orders in which chains ask rules of both policies. */
  const orders = () => {
    const found = [...ruleset.chains.values()].map(({ rules }) => JSON.stringify(rules).match(/gnp\/\w+(?=\/)/g) ?? []);
    return [...new Set(found.filter(policies => policies.length > 1).map(policies => policies.join(' ')))];
  };

  beforeEach(() => {
    compiler = new PolicyCompiler(ruleset, { rulesInOrder: 0 });
    handle(
      { kind: 'ipSetUpdate', id: 's:a', type: 'net', members: ['10.0.0.9/32'] },
      policyIs(policy('gnp/all', [rule('deny', [protocol(6), ports('source', ['80'])])])),
    );
  });

  test('are asked in the other order when their policies have changed places', () => {
    handle(policyIs(policy('gnp/some', some)), places('gnp/all', 'gnp/some'));
    expect(orders()).toEqual(['gnp/all gnp/some']);
    handle(places('gnp/some', 'gnp/all'));
    expect(orders()).toEqual(['gnp/some gnp/all']);
  });

  test('are asked in their order when the first comes last', () => {
    handle(places('gnp/some', 'gnp/all'));
    expect(orders()).toEqual([]);
    handle(policyIs(policy('gnp/some', some)));
    expect(orders()).toEqual(['gnp/some gnp/all']);
  });
});

test.each([
  { name: 'rules and lookups', rulesInOrder: 2 },
  { name: 'lookups alone', rulesInOrder: 0 },
])(
  'the $name of policies that have changed places are those of the present places',
  ({ rulesInOrder }) => {
    const property = fc.property(movingHistory, history => {
      const ruleset = new Ruleset();
      const compiler = new PolicyCompiler(ruleset, { rulesInOrder });
      for (const messages of history) {
        for (const message of messages) compiler.handle(message);
        compiler.compile();
      }
      const fresh = freshlyCompiled(messagesOf(worldAfter(history.flat())), { rulesInOrder });
      expect(rulesetText(ruleset)).toEqual(rulesetText(fresh));
    });
    fc.assert(property, { numRuns: 300, seed: 3 });
  },
  60_000,
);

function freshlyCompiled(messages: readonly Message[], options: PolicyCompilerOptions): Ruleset {
  const ruleset = new Ruleset();
  const compiler = new PolicyCompiler(ruleset, options);
  for (const message of messages) compiler.handle(message);
  compiler.compile();
  return ruleset;
}

/** The message as a difference where it tells a known set anew. */
function asDelta(message: Message, before: ReturnType<typeof worldAfter>): Message {
  const known = message.kind === 'ipSetUpdate' ? before.sets.get(message.id) : undefined;
  if (message.kind !== 'ipSetUpdate' || known === undefined) return message;
  const without = (list: readonly string[], others: readonly string[]) => list.filter(one => !others.includes(one));
  const [added, removed] = [without(message.members, known.members), without(known.members, message.members)];
  return { kind: 'ipSetDelta', id: message.id, added, removed };
}

function removalsOf(world: ReturnType<typeof worldAfter>): Message[] {
  return [
    ...[...world.endpoints.keys()].map((id): Message => ({ kind: 'endpointRemove', id })),
    ...[...world.policies.keys()].map((id): Message => ({ kind: 'policyRemove', id })),
    ...[...world.profiles.keys()].map((id): Message => ({ kind: 'profileRemove', id })),
    ...[...world.sets.keys()].map((id): Message => ({ kind: 'ipSetRemove', id })),
  ];
}
