import { beforeEach, describe, expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import { addr } from '@calico/ip';
import { batchSize, errnoNumber, KernelError, type Nftables, type Op, type TableName } from '@calico/kernel';
import { type FakeNftables, fakeNftables } from '@calico/kernel/fake';
import { finished, seededRandom } from '@calico/reconcile';
import { defaultDataplaneConfig } from '../dataplane-config.ts';
import { endpoint, ipSet, policy, ports, program, protocol, rule, tier } from '../testing/builders.ts';
import { tableText } from '../testing/ruleset-text.ts';
import { baseChains, baseSets } from './base-chains.ts';
import { verdict } from './expressions.ts';
import { tableName } from './names.ts';
import { batchLimit, NftablesWriter } from './nftables-writer.ts';
import { PolicyCompiler } from './policy-compiler.ts';
import { Ruleset } from './ruleset.ts';

const table: TableName = { family: 'inet', name: tableName };

/** Passes transactions on and keeps them. */
class Recorder implements Nftables {
  readonly transactions: (readonly Op[])[] = [];
  /** Larger batches are refused. */
  sendBuffer = Number.POSITIVE_INFINITY;
  /** Called after each transaction. */
  after: () => void = () => undefined;
  readonly #to: FakeNftables;

  constructor(to: FakeNftables) {
    this.#to = to;
  }

  transaction(name: TableName, ops: readonly Op[]): void {
    if (batchSize(ops) > this.sendBuffer) throw new KernelError('change table', errnoNumber('EMSGSIZE'));
    this.transactions.push(ops);
    this.#to.transaction(name, ops);
    this.after();
  }
  tables() {
    return this.#to.tables();
  }
  dump(name: TableName) {
    return this.#to.dump(name);
  }
  dumpInSteps(name: TableName) {
    return this.#to.dumpInSteps(name);
  }
  isOwner(name: TableName) {
    return this.#to.isOwner(name);
  }
  countersInSteps(name: TableName) {
    return this.#to.countersInSteps(name);
  }
  counters(name: TableName) {
    return this.#to.counters(name);
  }
  elements(name: TableName, set: string) {
    return this.#to.elements(name, set);
  }
  close(): void {
    this.#to.close();
  }

  /** The operations since the last call. */
  take(): Op[] {
    return this.transactions.splice(0).flat();
  }
}

/** One start of the program on a kernel: what compiles, writes and is seen of it. */
function start(fake: FakeNftables) {
  const ruleset = new Ruleset();
  for (const spec of baseSets()) ruleset.addSet(spec, []);
  for (const chain of baseChains({ ...defaultDataplaneConfig, vxlanPort: undefined })) ruleset.setChain(chain);
  const compiler = new PolicyCompiler(ruleset);
  const nftables = new Recorder(fake);
  const writer = new NftablesWriter(nftables, ruleset);
  const apply = (...messages: readonly Message[]): number => {
    for (const message of messages) compiler.handle(message);
    compiler.compile();
    return writer.apply();
  };
  return { ruleset, nftables, writer, apply };
}

const members = (...list: string[]): Message => ({ kind: 'ipSetUpdate', id: 's:a', type: 'net', members: list });
const policyIs = (...rules: ReturnType<typeof rule>[]): Message => ({
  kind: 'policyUpdate',
  policy: policy('gnp/a', rules),
});
const podIs = (name: string): Message => ({
  kind: 'endpointUpdate',
  id: `default/${name}`,
  endpoint: endpoint(name, program([tier('default', ['gnp/a'])])),
});
const world = [
  members('10.0.0.1/32', '10.1.0.0/16'),
  policyIs(
    rule('allow', [ipSet('source', 's:a'), protocol(6), ports('destination', ['80', '443'])]),
    rule('log', [], 1),
  ),
  podIs('calia'),
];

let fake: FakeNftables;
let node: ReturnType<typeof start>;

beforeEach(() => {
  fake = fakeNftables();
  node = start(fake);
});

/** What a new start writes into an empty kernel. */
function freshTable(...messages: readonly Message[]): string[] {
  const other = fakeNftables();
  start(other).apply(...messages);
  return tableText(other.dump(table));
}

describe('writing', () => {
  test('everything goes in two transactions, what the kernel calls in the second; the second time nothing', () => {
    expect(node.apply(...world)).toBeGreaterThan(0);
    const calls = node.nftables.transactions.map(ops => ops.some(op => op.op === 'addChain' && 'hook' in op.chain));
    expect(calls).toEqual([false, true]);
    expect(fake.dump(table)).toMatchObject({ owner: 'us', persist: true });
    node.nftables.take();
    expect(node.apply()).toBe(0);
    expect(node.apply(...world)).toBe(0);
    expect(node.nftables.take()).toEqual([]);
  });

  test('new chains come to ask new sets before these have elements, all of which the kernel would walk for each chain', () => {
    node.apply(...world);
    const kinds = (node.nftables.transactions[0] ?? []).map(op => op.op);
    expect(kinds.indexOf('addElements')).toBeGreaterThan(kinds.lastIndexOf('addRule'));
    expect(kinds).toContain('addRule');
  });

  test('a change of members writes these elements and nothing else', () => {
    node.apply(...world);
    node.nftables.take();
    node.apply({ kind: 'ipSetDelta', id: 's:a', added: ['10.0.0.2/32'], removed: ['10.0.0.1/32'] });
    expect(node.nftables.take().map(op => op.op)).toEqual(['deleteElements', 'addElements']);
  });

  test('a new policy of a pod leads its interface elsewhere in one transaction, after the new chains and before the old go', () => {
    node.apply(...world);
    const before = fake.dump(table)?.chains.length;
    node.nftables.take();
    node.apply(policyIs(rule('deny')));
    const [first = [], during = [], after = [], ...more] = node.nftables.transactions;
    expect(first.map(op => op.op as string)).toContain('addChain');
    const switched = during.map(op => `${op.op} ${'set' in op ? op.set : ''}`);
    expect(new Set(switched.map(each => each.replace(/ (from|to)-workload-[46]$/, '')))).toEqual(
      new Set(['deleteElements', 'addElements']),
    );
    expect(switched).toContain('addElements to-workload-4');
    expect(after.map(op => op.op as string)).toContain('deleteChain');
    expect(more).toEqual([]);
    expect(fake.dump(table)?.chains).toHaveLength(before ?? 0);
    expect(fake.check()).toEqual([]);
  });

  // A packet under way would find a new chain empty, or an old map.
  test('no transaction that changes what packets meet makes what they are led to, or takes away what they were', () => {
    const random = seededRandom(1);
    node.apply(...world);
    node.nftables.take();
    const selectors = ['s:a', 's:b', 's:c'];
    for (let i = 0; i < 60; i++) {
      const set = selectors[i % selectors.length] ?? '';
      const port = 1 + Math.trunc(random.next() * 1000);
      const rules = Array.from({ length: 1 + Math.trunc(random.next() * 12) }, (_, j) =>
        rule('allow', [protocol(6), ports('destination', [`${port + 2 * j}`]), ipSet('source', set)], j),
      );
      const peers = Array.from({ length: 3 }, () => `10.0.0.${Math.trunc(random.next() * 9)}/32`);
      const sets: Message[] = selectors.map(id => ({ kind: 'ipSetUpdate', id, type: 'net', members: peers }));
      node.apply(...sets, policyIs(...rules));
    }
    expect(node.nftables.transactions.length).toBeGreaterThan(120);
    for (const ops of node.nftables.transactions) {
      const kinds = new Set(ops.map(kindOfChange));
      kinds.delete('');
      expect([...kinds].length).toBeLessThanOrEqual(1);
    }
  });

  /** What an operation does to packets: makes what nothing leads to, leads elsewhere, or removes what nothing leads to. */
  function kindOfChange(op: Op): string {
    switch (op.op) {
      case 'addChain':
      case 'addSet':
        return op.op === 'addChain' && op.chain.hook !== undefined ? 'switch' : 'make';
      case 'deleteSet':
      case 'deleteChain':
        return 'remove';
      default:
        return 'set' in op && typeof op.set === 'string' && op.set.startsWith('to-workload') ? 'switch' : '';
    }
  }

  test('counters of rules that stay keep their numbers', () => {
    node.apply(...world);
    const packet = {
      source: { family: 4, value: 0x0a000001n },
      destination: { family: 4, value: 2n },
      protocol: 6,
    } as const;
    fake.classify('forward', { ...packet, destinationPort: 80 }, { iif: 'eth0', oif: 'calia' });
    const hits = () => fake.counters(table).find(c => c.name === 'gnp/a/ingress/0')?.packets;
    expect(hits()).toBe(1);
    node.apply(policyIs(rule('allow', [protocol(17)])));
    expect(hits()).toBe(1);
  });

  test('a wider network takes the place of those it covers', () => {
    node.apply(...world);
    node.apply({ kind: 'ipSetDelta', id: 's:a', added: ['10.0.0.0/8'], removed: [] });
    expect(fake.elements(table, 's-a/4/nets')).toHaveLength(1);
    node.apply({ kind: 'ipSetDelta', id: 's:a', added: [], removed: ['10.0.0.0/8'] });
    expect(tableText(fake.dump(table))).toEqual(freshTable(...world));
  });
});

describe('a restart', () => {
  test('with an equal ruleset takes the table and writes nothing', () => {
    node.apply(...world);
    node.nftables.close();
    const again = start(fake.another());
    expect(again.apply(...world)).toBe(0);
    expect(again.nftables.take()).toEqual([{ op: 'addTable', owner: true, persist: true }]);
    expect(again.nftables.dump(table)?.owner).toBe('us');
  });

  test('with another ruleset writes the difference', () => {
    node.apply(...world);
    node.nftables.close();
    const again = start(fake.another());
    again.apply(...world, podIs('calib'));
    const ops = again.nftables.take();
    expect(ops.filter(op => op.op === 'addChain' || op.op === 'deleteChain')).toEqual([]);
    expect(tableText(again.nftables.dump(table))).toEqual(freshTable(...world, podIs('calib')));
  });

  test('of a version that has its chains called elsewhere moves them in one transaction', () => {
    node.apply(...world);
    fake.close();
    const next = start(fake.another());
    const chain = next.ruleset.chains.get('forward-egress');
    if (chain === undefined) throw new Error('no such chain');
    next.ruleset.setChain({ ...chain, spec: { ...chain.spec, priority: -5 } });
    next.apply(...world);
    const moved = next.nftables.transactions.filter(ops =>
      ops.some(op => op.op === 'addChain' && op.chain.name === 'forward-egress'),
    );
    expect(moved).toHaveLength(1);
    expect(moved[0]?.some(op => op.op === 'deleteChain' && op.name === 'forward-egress')).toBe(true);
    const chains = fake.dump(table)?.chains.filter(each => each.chain.name === 'forward-egress');
    expect(chains?.map(each => [each.chain.priority, each.rules.length])).toEqual([[-5, chain.rules.length]]);
    expect(next.apply()).toBe(0);
  });

  test('removes what nothing asks for any more', () => {
    node.apply(...world);
    node.nftables.close();
    const again = start(fake.another());
    again.apply();
    expect(tableText(again.nftables.dump(table))).toEqual(freshTable());
  });

  test('of a process that cannot take the table fails loudly', () => {
    node.apply(...world);
    expect(() => start(fake.another()).apply(...world)).toThrow('EPERM');
  });
});

describe('a resync', () => {
  /** What somebody could do to the table, seen as our own handle. */
  const damages: { name: string; ops: (chain: string) => Op[] }[] = [
    { name: 'rules of a base chain gone', ops: () => [{ op: 'flushChain', name: 'forward-egress' }] },
    { name: 'rules of a chain gone', ops: chain => [{ op: 'flushChain', name: chain }] },
    { name: 'a rule more', ops: chain => [{ op: 'addRule', chain, exprs: [verdict('accept')] }] },
    {
      name: 'another rule in the place of one',
      ops: chain => [
        { op: 'flushChain', name: chain },
        { op: 'addRule', chain, exprs: [verdict('accept')] },
        { op: 'addRule', chain, exprs: [verdict('accept')] },
      ],
    },
    { name: 'a chain more', ops: () => [{ op: 'addChain', chain: { name: 'x', hook: 'forward', policy: 'drop' } }] },
    { name: 'a set more', ops: () => [{ op: 'addSet', set: { name: 'x', keyType: 'ipv4_addr', flags: [] } }] },
    { name: 'a counter more', ops: () => [{ op: 'addCounter', name: 'x' }] },
    { name: 'elements gone', ops: () => [{ op: 'flushSet', name: 's-a/4/hosts' }] },
    { name: 'networks gone', ops: () => [{ op: 'flushSet', name: 's-a/4/nets' }] },
    { name: 'interfaces gone', ops: () => [{ op: 'flushSet', name: 'to-workload-4' }] },
    {
      name: 'an element more',
      ops: () => [{ op: 'addElements', set: 's-a/4/hosts', elements: [{ key: Uint8Array.of(1, 2, 3, 4) }] }],
    },
    {
      name: 'a base chain that drops by itself',
      ops: () => [{ op: 'addChain', chain: { name: 'forward-egress', hook: 'forward', priority: 0, policy: 'drop' } }],
    },
    { name: 'the table gone', ops: () => [{ op: 'deleteTable' }] },
  ];

  test.each(damages)('repairs: $name', ({ ops }) => {
    node.apply(...world);
    const before = tableText(fake.dump(table));
    const chain = fake.dump(table)?.chains.find(c => c.chain.name.startsWith('ingress/4/gnp/a/'))?.chain.name ?? '';
    fake.transaction(table, ops(chain));
    expect(tableText(fake.dump(table))).not.toEqual(before);
    node.writer.resync();
    expect(node.apply()).toBeGreaterThan(0);
    expect(tableText(fake.dump(table))).toEqual(before);
  });

  test.each(damages)('in the background repairs: $name, and not what was written meanwhile', ({ ops }) => {
    node.apply(...world);
    const chain = fake.dump(table)?.chains.find(c => c.chain.name.startsWith('ingress/4/gnp/a/'))?.chain.name ?? '';
    fake.transaction(table, ops(chain));
    const resync = node.writer.resyncInSteps();
    resync.next();
    node.apply(podIs('calib'));
    resync.next();
    node.apply({ kind: 'ipSetDelta', id: 's:a', added: ['10.0.0.9/32'], removed: [] });
    finished(resync);
    node.apply();
    const now = [members('10.0.0.1/32', '10.0.0.9/32', '10.1.0.0/16'), ...world.slice(1), podIs('calib')];
    expect(tableText(fake.dump(table))).toEqual(freshTable(...now));
    expect(finished(node.writer.resyncInSteps())).toBe(0);
  });

  test('in the background takes nothing for damage that was written meanwhile', () => {
    node.apply(...world);
    const resync = node.writer.resyncInSteps();
    let count = 0;
    for (let step = resync.next(); ; step = resync.next()) {
      if (step.done) {
        expect(step.value).toBe(0);
        break;
      }
      count++;
      node.apply(podIs(`cali${count}`), policyIs(rule('allow', [ipSet('source', 's:a')], count)));
    }
    expect(count).toBeGreaterThan(3);
    node.nftables.take();
    node.apply();
    expect(node.nftables.take()).toEqual([]);
  });

  test('of an undamaged table writes nothing', () => {
    node.apply(...world);
    node.nftables.take();
    node.writer.resync();
    expect(node.apply()).toBe(0);
    expect(node.nftables.take()).toEqual([]);
  });
});

describe('a refusal of the kernel', () => {
  test('is met by a reading and another write', () => {
    node.apply(...world);
    fake.transaction(table, [{ op: 'flushSet', name: 's-a/4/hosts' }]);
    node.apply({ kind: 'ipSetDelta', id: 's:a', added: ['10.0.0.2/32'], removed: ['10.0.0.1/32'] });
    const [first, ...others] = world;
    expect(first?.kind).toBe('ipSetUpdate');
    expect(tableText(fake.dump(table))).toEqual(freshTable(members('10.0.0.2/32', '10.1.0.0/16'), ...others));
  });

  test('at the first write is thrown, and the next write does all', () => {
    fake.failNext('ENOMEM');
    expect(() => node.apply(...world)).toThrow('ENOMEM');
    expect(fake.dump(table)).toBeUndefined();
    node.apply();
    expect(tableText(fake.dump(table))).toEqual(freshTable(...world));
  });

  test('in the middle of a long write leaves what was in force, and the next write ends it', () => {
    const many = Array.from({ length: 9000 }, (_, i) => `10.${i >> 8}.${i & 255}.7/32`);
    node.apply(podIs('calia'));
    const forwarded = () => fake.dump(table)?.chains.find(c => c.chain.name === 'forward-egress')?.rules.length;
    const before = forwarded();
    let refusals = 2;
    const { transaction } = node.nftables;
    node.nftables.transaction = (name, ops) => {
      if (node.nftables.transactions.length > 1 && refusals-- > 0) fake.failNext('ENOBUFS');
      transaction.call(node.nftables, name, ops);
    };
    expect(() => node.apply(members(...many), ...world.slice(1))).toThrow('ENOBUFS');
    expect(forwarded()).toBe(before);
    node.apply();
    expect(tableText(fake.dump(table))).toEqual(freshTable(members(...many), ...world.slice(1)));
  });
});

describe('what does not fit a batch', () => {
  const many = Array.from({ length: 9000 }, (_, i) => `10.${i >> 8}.${i & 255}.7/32`);
  const sizes = () => node.nftables.transactions.map(ops => batchSize(ops));

  test('is prepared in several transactions, seen from one on', () => {
    node.apply(members(...many), ...world.slice(1));
    expect(sizes().length).toBeGreaterThan(2);
    expect(Math.max(...sizes())).toBeLessThanOrEqual(batchLimit + 200);
    // The kernel calls nothing of it before the one transaction that has the base chains.
    const switching = node.nftables.transactions.filter(ops => ops.some(op => op.op === 'addChain' && op.chain.hook));
    expect(switching).toHaveLength(1);
    expect(node.nftables.transactions.at(-1)).toBe(switching[0] ?? []);
    expect(fake.elements(table, 's-a/4/hosts')).toHaveLength(9000);
  });

  test('changes each interface in one transaction', () => {
    const pods = Array.from({ length: 900 }, (_, i) => podIs(`cali${i}`));
    node.apply(...world.slice(0, 2), ...pods);
    node.nftables.take();
    node.apply(policyIs(rule('deny')));
    expect(sizes().length).toBeGreaterThan(1);
    for (const ops of node.nftables.transactions) {
      const keys = (kind: Op['op'], set: string) =>
        ops.flatMap(op =>
          'elements' in op && op.op === kind && op.set === set ? op.elements.map(e => e.key.join()) : [],
        );
      for (const set of ['to-workload-4', 'from-workload-4']) {
        expect(keys('deleteElements', set)).toEqual(keys('addElements', set));
      }
    }
    expect(tableText(fake.dump(table))).toEqual(
      freshTable(members('10.0.0.1/32', '10.1.0.0/16'), policyIs(rule('deny')), ...pods),
    );
  });

  test('is switched in parts where it does not fit the send buffer either', () => {
    const pods = Array.from({ length: 900 }, (_, i) => podIs(`cali${i}`));
    node.apply(...world.slice(0, 2), ...pods);
    node.nftables.take();
    node.nftables.sendBuffer = 212_992;
    node.apply(policyIs(rule('deny')));
    expect(Math.max(...sizes())).toBeLessThanOrEqual(node.nftables.sendBuffer);
    expect(tableText(fake.dump(table))).toEqual(
      freshTable(members('10.0.0.1/32', '10.1.0.0/16'), policyIs(rule('deny')), ...pods),
    );
  });

  test.each([
    { name: 'that takes it at once', sendBuffer: Number.POSITIVE_INFINITY },
    { name: 'of a process without privileges', sendBuffer: 212_992 },
  ])('leaves no address between two identities, with a send buffer $name', ({ sendBuffer }) => {
    const sets = ['s:a', 's:b'].map(set => rule('allow', [ipSet('source', set)]));
    const others = Array.from({ length: 10 }, (_, i) => rule('deny', [protocol(100 + i)], i + 2));
    const own = program([tier('default', ['gnp/a'])]);
    const setIs = (id: string, list: readonly string[]): Message => {
      return { kind: 'ipSetUpdate', id, type: 'net', members: list };
    };
    node.apply(
      setIs('s:a', many),
      setIs('s:b', []),
      { kind: 'policyUpdate', policy: policy('gnp/a', [...sets, ...others]) },
      { kind: 'endpointUpdate', id: 'd/a', endpoint: endpoint('calia', own) },
    );
    node.nftables.take();
    node.nftables.sendBuffer = sendBuffer;
    const verdicts = new Set<string>();
    node.nftables.after = () => {
      for (const from of [0, 4000, 8999]) {
        const source = addr((many[from] ?? '').replace('/32', ''));
        const packet = { family: 4, source, destination: addr('10.0.0.1'), protocol: 6, destinationPort: 80 } as const;
        verdicts.add(fake.classify('forward', packet, { iif: 'eth0', oif: 'calia' }).verdict);
      }
    };
    node.apply(setIs('s:b', many), setIs('s:a', []));
    expect(sizes().reduce((sum, size) => sum + size, 0)).toBeGreaterThan(batchLimit);
    expect([...verdicts]).toEqual(['accept']);
  });
});
