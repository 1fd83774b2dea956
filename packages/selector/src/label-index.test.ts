import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { IndexedItem, IndexedSelector } from './indexed.ts';
import { LabelIndex, type LabelIndexListener } from './label-index.ts';
import type { Labels } from './labels.ts';
import { parseSelector, type Selector, selectorOf } from './selector.ts';
import { crowdedLabels, crowdedNode } from './testing.ts';

class Named extends IndexedSelector {
  readonly id: string;

  constructor(id: string, selector: Selector) {
    super(selector);
    this.id = id;
  }
}

class Pod extends IndexedItem {
  readonly id: string;

  constructor(id: string) {
    super();
    this.id = id;
  }
}

/** An index by names, and what it has told, in order; `matches` is what remains of it. */
function recorded() {
  const told: string[] = [];
  const matches = new Set<string>();
  const parents = new Map<string, Labels>();
  const listener: LabelIndexListener<Named, Pod> = {
    matchStarted(selector, item) {
      const match = `${selector.id} ${item.id}`;
      if (matches.has(match)) throw new Error(`started twice: ${match}`);
      matches.add(match);
      told.push(`+${match}`);
    },
    matchStopped(selector, item) {
      const match = `${selector.id} ${item.id}`;
      if (!matches.delete(match)) throw new Error(`stopped without a start: ${match}`);
      told.push(`-${match}`);
    },
  };
  const index = new LabelIndex(listener, id => parents.get(id));
  const selectors = new Map<string, Named>();
  const items = new Map<string, Pod>();
  const byName = {
    setItem(id: string, labels: Labels, parents: string[] = []) {
      const item = items.get(id) ?? new Pod(id);
      items.set(id, item);
      index.setItem(item, labels, parents);
    },
    deleteItem: (id: string) => index.deleteItem(items.get(id) ?? new Pod(id)),
    setParent(id: string, labels: Labels) {
      parents.set(id, labels);
      index.parentChanged(id);
    },
    deleteParent(id: string) {
      parents.delete(id);
      index.parentChanged(id);
    },
    setSelector(id: string, selector: Selector) {
      byName.deleteSelector(id);
      const named = new Named(id, selector);
      selectors.set(id, named);
      for (const _ of index.addSelector(named));
    },
    deleteSelector(id: string) {
      index.deleteSelector(selectors.get(id) ?? new Named(id, parseSelector('all()')));
      selectors.delete(id);
    },
    matchesOf: (id: string) => index.matchesOf(items.get(id) ?? new Pod(id)).map(({ id: selectorId }) => selectorId),
    check: () => index.check(),
  };
  return { index: byName, matches, take: () => told.splice(0) };
}

describe('LabelIndex tells', () => {
  test('matches of items and selectors in any order of arrival', () => {
    const { index, take } = recorded();
    index.setSelector('web', parseSelector('app == "web"'));
    index.setItem('pod1', { app: 'web' });
    expect(take()).toEqual(['+web pod1']);
    index.setSelector('any', parseSelector('all()'));
    expect(take()).toEqual(['+any pod1']);
    index.setItem('pod2', { app: 'db' });
    expect(take()).toEqual(['+any pod2']);
    index.check();
  });

  test('starts before stops when an item is relabelled, and nothing when it is not', () => {
    const { index, take } = recorded();
    index.setSelector('web', parseSelector('app == "web"'));
    index.setSelector('db', parseSelector('app == "db"'));
    index.setSelector('any', parseSelector('has(app)'));
    index.setItem('pod', { app: 'web' });
    take();
    index.setItem('pod', { app: 'web' });
    expect(take()).toEqual([]);
    index.setItem('pod', { app: 'db' });
    expect(take()).toEqual(['+db pod', '-web pod']);
    index.deleteItem('pod');
    expect(take().sort()).toEqual(['-any pod', '-db pod']);
    index.deleteItem('pod');
    expect(take()).toEqual([]);
    index.check();
  });

  test("inherited labels: the item's own wins, then the earlier parent's", () => {
    const { index, take, matches } = recorded();
    for (const value of ['own', 'first', 'second']) index.setSelector(value, parseSelector(`zone == "${value}"`));
    index.setParent('second', { zone: 'second' });
    index.setItem('pod', {}, ['first', 'second']);
    expect(take()).toEqual(['+second pod']);
    index.setParent('first', { zone: 'first' });
    expect(take()).toEqual(['+first pod', '-second pod']);
    index.setItem('pod', { zone: 'own' }, ['first', 'second']);
    expect(take()).toEqual(['+own pod', '-first pod']);
    index.setItem('pod', {}, ['second', 'first']);
    expect([...matches]).toEqual(['second pod']);
    index.deleteParent('second');
    index.deleteParent('first');
    expect([...matches]).toEqual([]);
    index.check();
  });

  test('matches of a selector that comes and goes', () => {
    const { index, take } = recorded();
    index.setItem('web', { app: 'web' });
    index.setItem('both', { app: 'web', tier: 'front' });
    index.setItem('front', { tier: 'front' });
    index.setSelector('s', parseSelector('app == "web"'));
    expect(take().sort()).toEqual(['+s both', '+s web']);
    index.setSelector('t', parseSelector('has(tier)'));
    expect(take().sort()).toEqual(['+t both', '+t front']);
    expect(index.matchesOf('both').sort()).toEqual(['s', 't']);
    index.deleteSelector('s');
    expect(take().sort()).toEqual(['-s both', '-s web']);
    index.deleteSelector('s');
    expect(index.matchesOf('both')).toEqual(['t']);
    index.check();
  });

  test('each item of many with equal labels', () => {
    const { index, take } = recorded();
    index.setSelector('web', parseSelector('app == "web"'));
    for (const id of ['a', 'b', 'c']) index.setItem(id, { app: 'web' }, ['ns']);
    index.deleteItem('b');
    take();
    index.setParent('ns', { env: 'prod' });
    expect(take()).toEqual([]);
    index.setSelector('prod', parseSelector('env == "prod"'));
    expect(take().sort()).toEqual(['+prod a', '+prod c']);
    index.check();
  });

  test('matches of labels that every object inherits', () => {
    const { index, take } = recorded();
    index.setSelector('s', parseSelector('has(constructor)'));
    index.setItem('pod', {}, ['ns']);
    index.setParent('ns', Object.fromEntries([['constructor', 'x']]));
    expect(take()).toEqual(['+s pod']);
    index.check();
  });
});

test('LabelIndex refuses a selector that is in it', () => {
  const index = new LabelIndex({ matchStarted() {}, matchStopped() {} }, () => undefined);
  const selector = new IndexedSelector(parseSelector('all()'));
  for (const _ of index.addSelector(selector));
  expect(() => index.addSelector(selector)).toThrow('it is in an index');
  index.deleteSelector(selector);
  index.addSelector(selector);
  index.check();
});

test('LabelIndex matches what was there before in steps, between which everything may change', () => {
  const told: string[] = [];
  const index = new LabelIndex<Named, Pod>(
    {
      matchStarted: (selector, item) => told.push(`+${selector.id} ${item.id}`),
      matchStopped: (selector, item) => told.push(`-${selector.id} ${item.id}`),
    },
    () => undefined,
  );
  const pods = ['a', 'b', 'c', 'd'].map(id => new Pod(id));
  const [a, b, c, d] = pods as [Pod, Pod, Pod, Pod];
  for (const pod of pods) index.setItem(pod, { app: 'web', name: pod.id });
  const web = new Named('web', parseSelector('app == "web"'));
  const steps = index.addSelector(web);
  steps.next();
  expect(told).toEqual(['+web a']);
  index.setItem(a, { app: 'web', name: 'other' });
  index.setItem(b, { app: 'web', name: 'other' });
  index.setItem(c, { app: 'db' });
  index.deleteItem(d);
  expect(told).toEqual(['+web a', '+web b']);
  for (const _ of steps);
  expect(told).toEqual(['+web a', '+web b']);
  index.check();
  index.setItem(c, { app: 'web', name: 'c' });
  const gone = index.addSelector(new Named('any', parseSelector('all()')));
  gone.next();
  index.deleteSelector(web);
  expect(told.slice(2).sort()).toEqual(['+any a', '+any b', '+web c', '-web a', '-web b', '-web c']);
  for (const _ of gone);
  expect(told.slice(8)).toEqual(['+any c']);
  index.check();
});

test('LabelIndex takes labels of any text', () => {
  const { index, matches } = recorded();
  index.setItem('pod', JSON.parse('{"__proto__":"x","a\\"b":"\\n\\"app\\":\\"x"}') as Labels, ['ns']);
  index.setItem('odd', JSON.parse('{"a\\"app":"wrong","app":"\\\\","odd":"\\"quoted\\""}') as Labels);
  index.setSelector('app', parseSelector('has(app)'));
  index.setSelector('proto', parseSelector('__proto__ == "x"'));
  index.setSelector('backslash', parseSelector("app == '\\'"));
  index.setSelector('b', parseSelector('has(b)'));
  index.setSelector('quoted', parseSelector('odd == \'"quoted"\''));
  index.check();
  expect([...matches]).toEqual(['app odd', 'proto pod', 'backslash odd', 'quoted odd']);
});

type Step =
  | { act: 'setItem'; id: string; labels: Labels; parents: string[] }
  | { act: 'setParent'; id: string; labels: Labels }
  | { act: 'setSelector'; id: string; selector: Selector }
  | { act: 'deleteItem' | 'deleteParent' | 'deleteSelector'; id: string };

const id = fc.constantFrom('1', '2', '3', '4');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    act: fc.constant('setItem'),
    id,
    labels: crowdedLabels,
    parents: fc.array(fc.constantFrom('1', '2', '3'), { maxLength: 3 }),
  }),
  fc.record({ act: fc.constant('setParent'), id, labels: crowdedLabels }),
  fc.record({ act: fc.constant('setSelector'), id, selector: crowdedNode.map(selectorOf) }),
  fc.record({ act: fc.constantFrom('deleteItem', 'deleteParent', 'deleteSelector'), id }),
);

function apply(index: ReturnType<typeof recorded>['index'], s: Step): void {
  if (s.act === 'setItem') index.setItem(s.id, s.labels, s.parents);
  else if (s.act === 'setParent') index.setParent(s.id, s.labels);
  else if (s.act === 'setSelector') index.setSelector(s.id, s.selector);
  else index[s.act](s.id);
}

/** The matches after some steps, found by asking every selector about every item. */
function bruteForce(steps: readonly Step[]): Set<string> {
  const items = new Map<string, { labels: Labels; parents: string[] }>();
  const parents = new Map<string, Labels>();
  const selectors = new Map<string, Selector>();
  for (const s of steps) {
    if (s.act === 'setItem') items.set(s.id, s);
    else if (s.act === 'setParent') parents.set(s.id, s.labels);
    else if (s.act === 'setSelector') selectors.set(s.id, s.selector);
    else if (s.act === 'deleteItem') items.delete(s.id);
    else if (s.act === 'deleteParent') parents.delete(s.id);
    else selectors.delete(s.id);
  }
  const matches = new Set<string>();
  for (const [itemId, item] of items) {
    const inherited = item.parents.map(parent => parents.get(parent) ?? {}).reverse();
    const labels = Object.assign({}, ...inherited, item.labels);
    for (const [selectorId, selector] of selectors) {
      if (selector.evaluate(labels)) matches.add(`${selectorId} ${itemId}`);
    }
  }
  return matches;
}

test('LabelIndex agrees with brute force after every step of any sequence', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const { index, matches } = recorded();
      for (const [i, s] of steps.entries()) {
        apply(index, s);
        index.check();
        expect([...matches].sort()).toEqual([...bruteForce(steps.slice(0, i + 1))].sort());
      }
    }),
    { numRuns: 200 },
  );
});
