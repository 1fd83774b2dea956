/** 2^53 - 1: whole numbers up to here are exact as numbers. */
const SAFE = Number.MAX_SAFE_INTEGER;
/** A run of digits long enough to be beyond it (2^53 has 16 digits). */
const LONG_DIGITS = /[0-9]{16}/g;
const INTEGER = /^-?\d+$/;

/** What JSON.rawJSON and a reviver's context are (ECMA-262, "JSON.parse source text access"). */
interface SourceJson {
  rawJSON(text: string): unknown;
  parse(
    text: string,
    reviver: (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
}
const sourceJson = JSON as unknown as SourceJson;

/**
 * Parses JSON; a whole number beyond 2^53 becomes a bigint, so that nothing is lost. As quick as JSON.parse where there
 * is no such number. Throws SyntaxError on what is not JSON, or is nested so deep (thousands of levels) that such a number
 * cannot be looked for.
 */
export function parseJson(text: string): unknown {
  if (!mayHaveLongNumber(text)) return JSON.parse(text);
  try {
    return sourceJson.parse(text, exactInteger);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new SyntaxError('JSON Parse error: nested too deep', { cause });
  }
}

/**
 * Whether a long run of digits stands where a number can. Most documents have none; the ids of containers and digests of
 * images, within text, often have such runs, and must not make a list of pods ten times as slow to read.
 */
function mayHaveLongNumber(text: string): boolean {
  LONG_DIGITS.lastIndex = 0;
  for (let run = LONG_DIGITS.exec(text); run !== null; run = LONG_DIGITS.exec(text)) {
    let at = run.index - 1;
    if (text[at] === '-') at--;
    while (at >= 0 && ' \t\r\n'.includes(text[at] ?? '')) at--;
    if (at < 0 || ':[,'.includes(text[at] ?? '')) return true;
  }
  return false;
}

function exactInteger(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== 'number' || (value <= SAFE && value >= -SAFE)) return value;
  return source !== undefined && INTEGER.test(source) ? BigInt(source) : value;
}

/**
 * Prints JSON; a bigint is printed as the whole number that it is. `indent` as in JSON.stringify. Undefined fields are
 * left out. Throws TypeError on a value that JSON cannot hold (a cycle).
 */
export function printJson(value: unknown, indent?: number): string {
  try {
    return JSON.stringify(value, undefined, indent) ?? 'null';
  } catch (error) {
    // JSON.stringify refuses bigints and cycles alike; the second attempt knows bigints only.
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, raw, indent) ?? 'null';
  }
}

function raw(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? sourceJson.rawJSON(value.toString()) : value;
}
