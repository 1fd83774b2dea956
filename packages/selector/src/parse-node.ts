import { SelectorError } from './error.ts';
import { negate, type SelectorNode, sortedValues, type ValueOperator } from './node.ts';

/** Longest label name, in bytes (label characters are ASCII). */
const MAX_LABEL = 512;

/** Deepest nesting of parentheses; twice what fits in the 1024 characters that resources allow. */
const MAX_DEPTH = 1024;

const SPACE = 32;
const TAB = 9;
const BANG = 33;
const DOUBLE_QUOTE = 34;
const AMPERSAND = 38;
const SINGLE_QUOTE = 39;
const OPEN_PAREN = 40;
const CLOSE_PAREN = 41;
const COMMA = 44;
const EQUALS = 61;
const OPEN_BRACE = 123;
const PIPE = 124;
const CLOSE_BRACE = 125;

/** Whether a character code may be in a label name: `A-Z a-z 0-9 _ . / -`. */
function isLabelCode(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 45 && code <= 57) /* - . / 0-9 */ ||
    code === 95
  );
}

/**
 * Reads the selector language to its tree. Empty text (or blanks) selects everything. Throws SelectorError. Time is
 * linear in the text.
 */
export function parseNode(text: string): SelectorNode {
  return new Parser(text).selector();
}

/** Recursive descent; each method leaves the position behind what it has read and the blanks after it. */
class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  selector(): SelectorNode {
    this.#blanks();
    if (this.#at === this.#text.length) return { kind: 'all' };
    const node = this.#or();
    if (this.#at < this.#text.length) {
      throw this.#error(`unexpected content at end of selector "${this.#text.slice(this.#at)}"`);
    }
    return node;
  }

  #or(): SelectorNode {
    const first = this.#and();
    if (!this.#doubled(PIPE, 'expected ||')) return first;
    const operands = [first];
    do operands.push(this.#and());
    while (this.#doubled(PIPE, 'expected ||'));
    return { kind: 'or', operands };
  }

  #and(): SelectorNode {
    const first = this.#operation();
    if (!this.#doubled(AMPERSAND, 'expected &&')) return first;
    const operands = [first];
    do operands.push(this.#operation());
    while (this.#doubled(AMPERSAND, 'expected &&'));
    return { kind: 'and', operands };
  }

  #operation(): SelectorNode {
    let negated = false;
    while (this.#is(BANG)) {
      negated = !negated;
      this.#skip(1);
    }
    const node = this.#positive();
    return negated ? negate(node) : node;
  }

  #positive(): SelectorNode {
    if (this.#is(OPEN_PAREN)) return this.#parenthesised();
    const start = this.#at;
    const label = this.#label();
    if (this.#is(OPEN_PAREN)) {
      if (label === 'has') return this.#has();
      if (label === 'all' || label === 'global') {
        this.#skip(1);
        this.#close(CLOSE_PAREN, 'expected )');
        return { kind: label };
      }
    }
    if (label === '') throw this.#error('expected identifier', start);
    this.#blanks();
    return this.#comparison(label);
  }

  #parenthesised(): SelectorNode {
    if (++this.#depth > MAX_DEPTH) throw this.#error(`more than ${MAX_DEPTH} nested parentheses`);
    this.#skip(1);
    const node = this.#or();
    this.#close(CLOSE_PAREN, 'expected )');
    this.#depth--;
    return node;
  }

  #has(): SelectorNode {
    this.#skip(1);
    const label = this.#label();
    if (label === '') throw this.#error('expected identifier');
    this.#blanks();
    this.#close(CLOSE_PAREN, 'expected )');
    return { kind: 'has', label };
  }

  #comparison(label: string): SelectorNode {
    if (this.#doubled(EQUALS, 'expected ==')) return this.#withValue('equals', label);
    if (this.#is(BANG) && this.#text.charCodeAt(this.#at + 1) === EQUALS) {
      this.#skip(2);
      return this.#withValue('notEquals', label);
    }
    if (this.#word('contains')) return this.#withValue('contains', label);
    if (this.#word('starts', 'with')) return this.#withValue('startsWith', label);
    if (this.#word('ends', 'with')) return this.#withValue('endsWith', label);
    if (this.#word('in')) return { kind: 'in', label, values: this.#set() };
    if (this.#word('not', 'in')) return { kind: 'notIn', label, values: this.#set() };
    throw this.#error(`expected operator after label "${label}"`);
  }

  #withValue(kind: ValueOperator, label: string): SelectorNode {
    return { kind, label, value: this.#string() };
  }

  #set(): string[] {
    if (!this.#is(OPEN_BRACE)) throw this.#error('expected set literal');
    this.#skip(1);
    const values: string[] = [];
    while (this.#is(DOUBLE_QUOTE) || this.#is(SINGLE_QUOTE)) {
      values.push(this.#string());
      if (!this.#is(COMMA)) break;
      this.#skip(1);
    }
    this.#close(CLOSE_BRACE, 'expected }');
    return sortedValues(values);
  }

  #string(): string {
    const quote = this.#text.charCodeAt(this.#at);
    if (quote !== DOUBLE_QUOTE && quote !== SINGLE_QUOTE) throw this.#error('expected string');
    const end = this.#text.indexOf(quote === DOUBLE_QUOTE ? '"' : "'", this.#at + 1);
    if (end < 0) throw this.#error('unterminated string');
    const value = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    this.#blanks();
    return value;
  }

  /** A label name, or '' when there is none; blanks after it are left, since `has(` is one word. */
  #label(): string {
    const start = this.#at;
    while (isLabelCode(this.#text.charCodeAt(this.#at))) this.#at++;
    if (this.#at - start > MAX_LABEL) throw this.#error(`label is longer than ${MAX_LABEL} bytes`, start);
    return this.#text.slice(start, this.#at);
  }

  /** Takes an operator of one word, or of two with or without blanks between; nothing when it is not there. */
  #word(first: string, second?: string): boolean {
    if (!this.#text.startsWith(first, this.#at)) return false;
    const start = this.#at;
    this.#at += first.length;
    if (second !== undefined) {
      this.#blanks();
      if (!this.#text.startsWith(second, this.#at)) {
        this.#at = start;
        return false;
      }
      this.#at += second.length;
    }
    this.#blanks();
    return true;
  }

  /** Takes two of a character; a single one is an error. */
  #doubled(code: number, reason: string): boolean {
    if (!this.#is(code)) return false;
    if (this.#text.charCodeAt(this.#at + 1) !== code) throw this.#error(reason);
    this.#skip(2);
    return true;
  }

  #close(code: number, reason: string): void {
    if (!this.#is(code)) throw this.#error(reason);
    this.#skip(1);
  }

  #is(code: number): boolean {
    return this.#text.charCodeAt(this.#at) === code;
  }

  #skip(count: number): void {
    this.#at += count;
    this.#blanks();
  }

  #blanks(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== SPACE && code !== TAB) return;
      this.#at++;
    }
  }

  #error(reason: string, position = this.#at): SelectorError {
    return new SelectorError(this.#text, reason, position);
  }
}
