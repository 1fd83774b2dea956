import { parseDuration } from '@calico/api';

/** How the text of one Felix parameter is read. */
export interface Parameter<T> {
  /** As Felix spells it. */
  readonly name: string;
  /** What holds where nothing is said, and where what is said is not valid. */
  readonly fallback: T;
  /** The same as text; empty where it is that nothing is said. */
  readonly defaultText: string;
  /** What `none` stands for; absent where it is not allowed. */
  readonly none?: T;
  /** The texts that are allowed, in words. */
  readonly allowed: string;
  /** What it does, in words. */
  readonly effect: string;
  /** Undefined for text that is not allowed. */
  parse(text: string): T | undefined;
}

/** Parameters by the names of the fields that they become. */
export type Parameters<Values> = { readonly [K in keyof Values]: Parameter<Values[K]> };

/** A parameter whose text is not valid: its default holds. */
export interface InvalidParameter {
  readonly name: string;
  readonly text: string;
  readonly allowed: string;
}

/**
 * Joins layers of raw parameters, the weakest first. Names are the same in any case; the stronger layer's spelling stays. An
 * empty text says nothing.
 */
export function mergeParameters(...layers: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const merged = new Map<string, readonly [string, string]>();
  for (const layer of layers) {
    for (const [name, text] of Object.entries(layer)) if (text !== '') merged.set(name.toLowerCase(), [name, text]);
  }
  return Object.fromEntries([...merged.values()].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Reads typed values out of raw parameters. What is absent or not valid has its default, as in Felix. */
export function readParameters<Values extends object>(
  parameters: Parameters<Values>,
  raw: Readonly<Record<string, string>>,
): { values: Values; invalid: InvalidParameter[] } {
  const texts = new Map(Object.entries(mergeParameters(raw)).map(([name, text]) => [name.toLowerCase(), text]));
  const invalid: InvalidParameter[] = [];
  const read = (parameter: Parameter<unknown>): unknown => {
    const { name, fallback, allowed } = parameter;
    const text = texts.get(name.toLowerCase());
    if (text === undefined) return fallback;
    if (text.toLowerCase() === 'none' && 'none' in parameter) return parameter.none;
    const value = parameter.parse(text);
    if (value === undefined) invalid.push({ name, text, allowed });
    return value ?? fallback;
  };
  const entries = Object.entries<Parameter<unknown>>(parameters).map(([key, parameter]) => [key, read(parameter)]);
  return { values: Object.fromEntries(entries) as Values, invalid };
}

/** Yes or no, in the words that Felix knows. */
export function flag<T extends boolean | undefined>(name: string, fallback: T, effect: string): Parameter<T | boolean> {
  return {
    name,
    fallback,
    defaultText: fallback === undefined ? '' : String(fallback),
    none: false,
    allowed: 'true or false',
    effect,
    parse: text => (/^(true|1|yes|y|t)$/i.test(text) ? true : /^(false|0|no|n|f)$/i.test(text) ? false : undefined),
  };
}

/** A number without a fraction from `least` to `most`. */
export function integer(
  name: string,
  [least, most]: readonly [number, number],
  fallback: number,
  effect: string,
): Parameter<number> {
  return {
    name,
    fallback,
    defaultText: String(fallback),
    ...(least <= 0 ? { none: 0 } : {}),
    allowed: `${least} to ${most}`,
    effect,
    parse(text) {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? value : undefined;
    },
  };
}

/** One of some words, in any case. */
export function oneOf<T extends string>(
  name: string,
  words: readonly T[],
  fallback: NoInfer<T>,
  effect: string,
): Parameter<T> {
  const parse = (text: string) => words.find(word => word.toLowerCase() === text.toLowerCase());
  return { name, fallback, defaultText: fallback, allowed: words.join(', '), effect, parse };
}

/** Any text; `none` is the empty one. */
export function anyText(name: string, fallback: string, effect: string): Parameter<string> {
  return { name, fallback, defaultText: fallback, none: '', allowed: 'any text', effect, parse: text => text };
}

/** A span of time, in seconds or as Go writes it; its value is in milliseconds, 0 switches off. */
export function span(name: string, fallback: number, effect: string): Parameter<number> {
  return {
    name,
    fallback,
    defaultText: `${fallback / 1000}s`,
    none: 0,
    allowed: 'seconds, or a span of time such as 1m30s; 0 switches it off',
    effect,
    parse: text => (/^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text)),
  };
}

/** Text that a reader of its own understands. Without `defaultText` the default is told as it is. */
export function parsed<T>(
  name: string,
  parse: (text: string) => T | undefined,
  options: Omit<Parameter<T>, 'name' | 'parse' | 'defaultText'> & { readonly defaultText?: string },
): Parameter<T> {
  return { defaultText: options.fallback === undefined ? '' : String(options.fallback), ...options, name, parse };
}
