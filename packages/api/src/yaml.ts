/** Apart from the other names of this package: reading YAML takes a parser, which few programs need. */
import { CORE_SCHEMA, defineScalarTag, intCoreTag, loadAll, mergeTag, YAMLException } from 'js-yaml';

/** Text that is no YAML, or YAML that holds something else than JSON can. The message names line and column where there is one. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
}

/** Whole numbers beyond 2^53 become bigints, so that nothing is lost. */
const exactInteger = defineScalarTag<number | bigint>(intCoreTag.tagName, {
  ...intCoreTag,
  resolve(source, isExplicit, tagName) {
    const value = intCoreTag.resolve(source, isExplicit, tagName);
    return typeof value !== 'number' || Number.isSafeInteger(value) ? value : BigInt(source);
  },
});

/** As deep as the embedded API server takes JSON. */
const DEEPEST = 128;
const OPTIONS = {
  // Merge keys (<<) as in YAML 1.1, which kubectl reads too.
  schema: CORE_SCHEMA.withTags(mergeTag, exactInteger),
  maxDepth: DEEPEST,
  maxAliases: 1000,
};
/** Values that a document with aliases may hold beyond one per character; aliases of aliases can make billions of a few lines. */
const MOST_BY_ALIASES = 100_000;

/** What the library says in words of its own, and what we say. */
const PLAINER = [
  ['nesting exceeded maxDepth', `nested deeper than ${DEEPEST} levels`],
  ['object-based map does not support complex keys', 'keys must be text'],
] as const;

/**
 * The documents of a YAML text (1.2 core schema; JSON is YAML) as plain JSON data, those with nothing in them left out.
 * Takes time in proportion to the text. Throws YamlError: on broken syntax, keys given twice, nesting deeper than 128, aliases that
 * lead back to themselves or make a text many times as large, control characters, and values that JSON does not have.
 */
export function readYaml(text: string): unknown[] {
  const budget = { left: text.length + MOST_BY_ALIASES };
  return load(text)
    .filter(document => document !== null && document !== undefined)
    .map(document => plain(document, 0, budget));
}

function load(text: string): unknown[] {
  try {
    return loadAll(text, OPTIONS);
  } catch (err) {
    if (!(err instanceof YAMLException)) throw err;
    const reason = PLAINER.find(([theirs]) => err.reason.startsWith(theirs))?.[1] ?? err.reason;
    throw new YamlError(`${reason}${err.mark === undefined ? '' : place(text, err.mark)}`, { cause: err });
  }
}

/** Where it is, with what stands there. */
function place(text: string, { position, line, column }: { position: number; line: number; column: number }): string {
  const [here = ''] = /^[^\n\r]{0,40}/.exec(text.slice(position, position + 40)) ?? [];
  return ` at line ${line + 1}, column ${column + 1}${here === '' ? '' : `: ${JSON.stringify(here)}`}`;
}

/** A copy in which nothing is shared. */
function plain(value: unknown, depth: number, budget: { left: number }): unknown {
  budget.left--;
  if (budget.left < 0) throw new YamlError(`aliases make it larger than ${MOST_BY_ALIASES} values`);
  if (depth > DEEPEST) throw new YamlError(`nested deeper than ${DEEPEST} levels by an alias, perhaps within itself`);
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new YamlError(`${value} is a value; allowed: finite numbers`);
  if (Array.isArray(value)) return value.map(item => plain(item, depth + 1, budget));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part, depth + 1, budget)]));
}
