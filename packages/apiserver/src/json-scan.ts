/**
 * A single pass over JSON text before it is parsed: depth limit, duplicate keys, and where the syntax breaks.
 * Source: RFC 8259.
 */

/** Thrown for text that is not JSON or is nested too deep; `offset` counts UTF-16 units from the start. */
export class JsonSyntaxError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.name = 'JsonSyntaxError';
    this.offset = offset;
  }
}

const NUMBER = /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
/** A quote, a backslash, or a control character: whatever is below the space. */
const STRING_END = /["\\]|[^ -\uffff]/g;

class Scanner {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly duplicates: string[] = [];
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  scan(): void {
    this.#value('', 0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail('text after the end of the value');
  }

  #fail(what: string): never {
    const here = this.#at < this.#text.length ? JSON.stringify(this.#text[this.#at]) : 'end of input';
    throw new JsonSyntaxError(`${what} at offset ${this.#at} (${here})`, this.#at);
  }

  #space(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c === 32 || c === 10 || c === 13 || c === 9) this.#at++;
      else return;
    }
  }

  #string(): string {
    const start = this.#at++;
    for (;;) {
      STRING_END.lastIndex = this.#at;
      const hit = STRING_END.exec(this.#text);
      if (!hit) {
        this.#at = this.#text.length;
        this.#fail('unterminated string');
      }
      this.#at = hit.index;
      const c = this.#text[this.#at];
      if (c === '"') {
        this.#at++;
        return this.#text.slice(start + 1, this.#at - 1);
      }
      if (c !== '\\') this.#fail('control character in a string');
      const sequence = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
      sequence.lastIndex = this.#at;
      if (!sequence.test(this.#text)) this.#fail('bad escape');
      this.#at = sequence.lastIndex;
    }
  }

  #value(path: string, depth: number): void {
    this.#space();
    const c = this.#text[this.#at];
    if (c === '{') this.#object(path, depth + 1);
    else if (c === '[') this.#array(path, depth + 1);
    else if (c === '"') this.#string();
    else if (c === '-' || (c !== undefined && c >= '0' && c <= '9')) {
      NUMBER.lastIndex = this.#at;
      const number = NUMBER.exec(this.#text)?.[0];
      if (number === undefined) this.#fail('bad number');
      // As a double it would be infinite, and JSON cannot write that again.
      if (!Number.isFinite(Number(number))) this.#fail('number out of range');
      this.#at = NUMBER.lastIndex;
    } else {
      const word = ['true', 'false', 'null'].find(w => this.#text.startsWith(w, this.#at));
      if (word === undefined) this.#fail('expected a value');
      this.#at += word.length;
    }
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) this.#fail(`nested deeper than ${this.#maxDepth} levels`);
    this.#at++;
    this.#space();
  }

  #object(path: string, depth: number): void {
    this.#enter(depth);
    const seen = new Set<string>();
    if (this.#text[this.#at] === '}') {
      this.#at++;
      return;
    }
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail('expected a key');
      const raw = this.#string();
      const key = raw.includes('\\') ? String(JSON.parse(`"${raw}"`)) : raw;
      const inner = path === '' ? key : `${path}.${key}`;
      if (seen.has(key)) this.duplicates.push(inner);
      seen.add(key);
      this.#space();
      if (this.#text[this.#at] !== ':') this.#fail('expected ":"');
      this.#at++;
      this.#value(inner, depth);
      if (this.#next('}')) return;
    }
  }

  #array(path: string, depth: number): void {
    this.#enter(depth);
    if (this.#text[this.#at] === ']') {
      this.#at++;
      return;
    }
    for (let i = 0; ; i++) {
      this.#value(`${path}[${i}]`, depth);
      if (this.#next(']')) return;
    }
  }

  /** Steps over "," (false) or the closing bracket (true). */
  #next(close: string): boolean {
    this.#space();
    const c = this.#text[this.#at];
    if (c !== ',' && c !== close) this.#fail(`expected "," or "${close}"`);
    this.#at++;
    return c === close;
  }
}

/** Checks JSON text and gives the paths of keys that occur twice. Throws JsonSyntaxError. */
export function scanJson(text: string, maxDepth: number): { duplicates: readonly string[] } {
  const scanner = new Scanner(text, maxDepth);
  scanner.scan();
  return { duplicates: scanner.duplicates };
}
