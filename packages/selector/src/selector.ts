import { compileNode } from './compile.ts';
import { SelectorError } from './error.ts';
import { type LabelLookup, type Labels, ownLabel } from './labels.ts';
import type { SelectorNode } from './node.ts';
import { parseNode } from './parse-node.ts';
import { printSelector } from './print.ts';
import { selectorId } from './selector-id.ts';

/** A selector that has been read. */
export interface Selector {
  /** The normal form: equal for texts that differ in blanks, quotes or the order of sets. */
  readonly text: string;
  /** Names the normal form: `s:` and 38 characters. */
  readonly id: string;
  readonly node: SelectorNode;
  evaluate(labels: Labels): boolean;
  evaluateLookup(lookup: LabelLookup): boolean;
}

/** What is computed from the tree is computed when first asked for, and kept. */
class TreeSelector implements Selector {
  readonly node: SelectorNode;
  #text: string | undefined;
  #id: string | undefined;
  #evaluate: ((labels: Labels) => boolean) | undefined;
  #evaluateLookup: ((lookup: LabelLookup) => boolean) | undefined;

  constructor(node: SelectorNode) {
    this.node = node;
  }

  get text(): string {
    this.#text ??= printSelector(this.node);
    return this.#text;
  }

  get id(): string {
    this.#id ??= selectorId(this.text);
    return this.#id;
  }

  evaluate(labels: Labels): boolean {
    this.#evaluate ??= compileNode(this.node, ownLabel);
    return this.#evaluate(labels);
  }

  evaluateLookup(lookup: LabelLookup): boolean {
    this.#evaluateLookup ??= compileNode(this.node, (ask: LabelLookup, key) => ask(key));
    return this.#evaluateLookup(lookup);
  }
}

/** How many texts one generation of the cache holds; it keeps between one and two of them. */
const GENERATION = 1024;
let young = new Map<string, Selector>();
let old = new Map<string, Selector>();

/** Reads a selector. Empty text selects everything. The last texts read are remembered. Throws SelectorError. */
export function parseSelector(text: string): Selector {
  const hit = young.get(text);
  if (hit !== undefined) return hit;
  const selector = old.get(text) ?? selectorOf(parseNode(text));
  if (young.size >= GENERATION) {
    old = young;
    young = new Map();
  }
  young.set(text, selector);
  return selector;
}

/** The selector of a tree. */
export function selectorOf(node: SelectorNode): Selector {
  return new TreeSelector(node);
}

/** What is wrong with selector text, in words; undefined when it can be read. */
export function validateSelector(text: string): string | undefined {
  try {
    parseSelector(text);
    return undefined;
  } catch (error) {
    if (error instanceof SelectorError) return error.message;
    throw error;
  }
}
