import type { Family } from '@calico/ip';
import type { Expr } from '@calico/kernel';
import type { Direction, DirectionProgram } from '@calico/policy';
import type { ContentStore } from './content-store.ts';
import * as nft from './expressions.ts';
import type { ContextOf } from './lookup/residual-chains.ts';
import { tierCounter } from './names.ts';
import { renderRule } from './render-rule.ts';
import { profileOwner, type RuleBook } from './rule-book.ts';

/**
 * A program as rules that are asked one after the other: the tiers in order, each policy in a chain of its own that all
 * programs share; a policy that passes to the next tier is written into its tier's chain, where `return` means just that.
 */
export class OrderedPrograms {
  readonly #store: ContentStore;
  readonly #book: RuleBook;
  readonly #contextOf: ContextOf;

  constructor(store: ContentStore, book: RuleBook, contextOf: ContextOf) {
    this.#store = store;
    this.#book = book;
    this.#contextOf = contextOf;
  }

  /** Gives the program's chain. Every call must be met by one release of the chain. */
  acquire(program: DirectionProgram, direction: Direction, family: Family): string {
    const inner: string[] = [];
    const acquire = (prefix: string, rules: Expr[][]) => {
      const name = this.#store.acquire(`${direction}/${family}/${prefix}`, rules);
      inner.push(name);
      return name;
    };
    const rules: Expr[][] = [];
    for (const tier of program.tiers) {
      const walk = tier.policies.flatMap(id => this.#renderPolicy(id, direction, family, acquire));
      const decided = this.#book.isDecided(tier);
      const end = decided ? [[nft.countAs(tierCounter(tier.name, direction)), nft.deny()]] : [];
      // A tier in which a rule passes needs a chain to return from.
      if (tier.policies.some(id => this.#passesOn(id, direction))) {
        rules.push([nft.toChain('jump', acquire(`tier/${tier.name}`, [...walk, ...end]))]);
      } else rules.push(...walk, ...end);
    }
    for (const id of program.profiles) rules.push(...this.#renderShared(profileOwner(id), direction, family, acquire));
    rules.push([nft.countAs(tierCounter('profiles', direction)), nft.deny()]);
    const name = this.#store.acquire(`${direction}/${family}/program`, rules);
    // The program's chain uses them now; the uses that kept them alive meanwhile end.
    for (const chain of inner) this.#store.release(chain);
    return name;
  }

  #renderPolicy(id: string, direction: Direction, family: Family, acquire: Acquire): Expr[][] {
    if (this.#book.isStaged(id)) return [];
    if (!this.#passesOn(id, direction)) return this.#renderShared(id, direction, family, acquire);
    return this.#renderRules(id, direction, family);
  }

  /** A jump to the chain of a policy or profile; nothing where it has no rules for the direction and family. */
  #renderShared(owner: string, direction: Direction, family: Family, acquire: Acquire): Expr[][] {
    const rendered = this.#renderRules(owner, direction, family);
    return rendered.length === 0 ? [] : [[nft.toChain('jump', acquire(owner, rendered))]];
  }

  #renderRules(owner: string, direction: Direction, family: Family): Expr[][] {
    const context = this.#contextOf(owner, direction, family);
    return this.#book.rules(owner, direction).flatMap(rule => renderRule(rule, context));
  }

  #passesOn(owner: string, direction: Direction): boolean {
    return this.#book.rules(owner, direction).some(rule => rule.action === 'pass');
  }
}

type Acquire = (prefix: string, rules: Expr[][]) => string;
