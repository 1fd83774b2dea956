import { type Family, mergeCidrs } from '@calico/ip';
import type { Expr, SetSpec } from '@calico/kernel';
import { type AddressSets, bytesKey, netKey } from './address-sets.ts';
import { portBytes } from './expressions.ts';
import { contentName, denyChain, isLookupMap } from './names.ts';
import { type LiteralSet, printLiteral } from './render-rule.ts';
import type { Ruleset } from './ruleset.ts';

/**
 * Chains named by their content, and the sets and counters that they use, each kept in the ruleset as long as something
 * uses it. A chain never changes; another content is another chain. So what the kernel has can be compared by names.
 */
export class ContentStore {
  readonly #users = new Map<string, number>();
  readonly #chains = new Map<string, readonly (readonly Expr[])[]>();
  readonly #literals = new Map<string, LiteralSet>();
  readonly #ruleset: Ruleset;
  readonly #addressSets: AddressSets;

  constructor(ruleset: Ruleset, addressSets: AddressSets) {
    this.#ruleset = ruleset;
    this.#addressSets = addressSets;
  }

  /** Gives the chain with these rules, made if it is new. Every call must be met by one `release`. */
  acquire(prefix: string, rules: readonly (readonly Expr[])[]): string {
    const name = contentName(prefix, JSON.stringify(rules, printBytes));
    this.#chains.set(name, rules);
    this.#use({ kind: 'chain', name });
    return name;
  }

  /** One more use of a chain by its name; false where there is none, as nothing uses it. */
  acquireAgain(name: string): boolean {
    if (!this.#users.has(`chain ${name}`)) return false;
    this.#use({ kind: 'chain', name });
    return true;
  }

  /** Keeps a counter in the ruleset, whether rules refer to it or not. Every call must be met by one `releaseCounter`. */
  acquireCounter(name: string): void {
    this.#use({ kind: 'counter', name });
  }

  /** Ends one use of a counter. */
  releaseCounter(name: string): void {
    this.#unuse({ kind: 'counter', name });
  }

  /** Ends one use of a chain; the last one removes it and what only it used. */
  release(name: string): void {
    this.#unuse({ kind: 'chain', name });
  }

  /** Gives the name of a constant set; the chain that refers to it brings it into the ruleset. */
  literal(set: LiteralSet): string {
    const name = literalName(set);
    if (!this.#users.has(`set ${name}`)) this.#literals.set(name, set);
    return name;
  }

  #use(object: Reference): void {
    const key = `${object.kind} ${object.name}`;
    const users = this.#users.get(key) ?? 0;
    this.#users.set(key, users + 1);
    if (users > 0) return;
    if (object.kind === 'counter') this.#ruleset.addCounter(object.name);
    else if (object.kind === 'set') this.#addSet(object.name);
    else {
      const rules = this.#chains.get(object.name) ?? [];
      for (const reference of references(rules)) this.#use(reference);
      this.#ruleset.setChain({ spec: { name: object.name }, rules });
    }
  }

  #unuse(object: Reference): void {
    const key = `${object.kind} ${object.name}`;
    const users = this.#users.get(key);
    if (users === undefined) throw new Error(`Cannot release ${key}: nothing uses it`);
    if (users > 1) {
      this.#users.set(key, users - 1);
      return;
    }
    this.#users.delete(key);
    if (object.kind === 'counter') this.#ruleset.deleteCounter(object.name);
    else if (object.kind === 'set') {
      this.#ruleset.deleteSet(object.name);
      const literal = this.#literals.get(object.name);
      this.#literals.delete(object.name);
      for (const reference of literal === undefined ? [] : literalReferences(literal)) this.#unuse(reference);
    } else {
      const rules = this.#chains.get(object.name) ?? [];
      this.#ruleset.deleteChain(object.name);
      this.#chains.delete(object.name);
      for (const reference of references(rules)) this.#unuse(reference);
    }
  }

  #addSet(name: string): void {
    const literal = this.#literals.get(name);
    if (literal === undefined) {
      const elements = [...this.#addressSets.elements(name)].map(key => [key, ''] as const);
      this.#ruleset.addSet(addressSetSpec(name), elements);
      return;
    }
    for (const reference of literalReferences(literal)) this.#use(reference);
    this.#ruleset.addSet(literalSpec(name, literal), literalElements(literal));
  }
}

/** An object of the table that a rule names. */
type Reference = { readonly kind: 'chain' | 'set' | 'counter'; readonly name: string };

/** Everything that rules refer to, each once. */
function references(rules: readonly (readonly Expr[])[]): Reference[] {
  const found = new Map<string, Reference>();
  const add = (kind: Reference['kind'], name: string) => found.set(`${kind} ${name}`, { kind, name });
  for (const expr of rules.flat()) {
    if (expr.kind === 'lookup' && !isLookupMap(expr.set)) add('set', expr.set);
    else if (expr.kind === 'objref') add('counter', expr.name);
    else if (expr.kind === 'verdict' && 'chain' in expr.verdict && expr.verdict.chain !== denyChain)
      add('chain', expr.verdict.chain);
  }
  return [...found.values()];
}

const addressType = (family: Family) => (family === 4 ? 'ipv4_addr' : 'ipv6_addr');

/** The kernel set for a part of an address set, by its name `<id>/<family>/<part>`. */
function addressSetSpec(name: string): SetSpec {
  const [, familyText, part] = /\/([46])\/(hosts|nets|ports)$/.exec(name) ?? [];
  const address = addressType(familyText === '6' ? 6 : 4);
  if (part === 'ports') return { name, keyType: [address, 'inet_proto', 'inet_service'], flags: [] };
  return { name, keyType: address, flags: part === 'nets' ? ['interval'] : [] };
}

/** The name of a constant set, by its content. */
export function literalName(set: LiteralSet): string {
  const prefix = set.kind === 'ports' || set.kind === 'verdicts' ? set.kind : `${set.kind}-${set.family}`;
  return contentName(prefix, printLiteral(set));
}

function literalSpec(name: string, set: LiteralSet): SetSpec {
  switch (set.kind) {
    case 'ports':
      return { name, keyType: 'inet_service', flags: ['interval'] };
    case 'nets':
      return { name, keyType: addressType(set.family), flags: ['interval'] };
    case 'verdicts':
      return { name, keyType: set.key, flags: set.key === 'inet_service' ? ['interval'] : [], map: 'verdict' };
    case 'classes':
      return { name, keyType: addressType(set.family), flags: ['interval'], map: { type: 'mark' } };
  }
}

/** The chains that a map of verdicts leads to, each once. */
function literalReferences(set: LiteralSet): Reference[] {
  if (set.kind !== 'verdicts') return [];
  return [...new Set(set.entries.map(([, chain]) => chain))].map(name => ({ kind: 'chain', name }));
}

function literalElements(set: LiteralSet): readonly (readonly [string, string])[] {
  if (set.kind === 'verdicts' || set.kind === 'classes') return set.entries;
  const keys =
    set.kind === 'ports'
      ? set.ranges.map(range => bytesKey(portBytes(range.first)) + bytesKey(portBytes(range.last)))
      : mergeCidrs(set.nets).map(netKey);
  return keys.map(key => [key, ''] as const);
}

function printBytes(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? bytesKey(value) : value;
}
