const compiled = new Map<string, RegExp | undefined>();
const KEPT = 1_000;

/** A pattern of a schema as a regular expression (`(?i)` in front means any case), or undefined where it is none. */
export function compilePattern(pattern: string): RegExp | undefined {
  if (compiled.has(pattern)) return compiled.get(pattern);
  if (compiled.size >= KEPT) compiled.clear();
  const anyCase = pattern.startsWith('(?i)') || pattern.startsWith('^(?i)');
  const source = anyCase ? pattern.replace('(?i)', '') : pattern;
  let made: RegExp | undefined;
  for (const flags of ['u', '']) {
    try {
      made ??= new RegExp(source, flags + (anyCase ? 'i' : ''));
    } catch {
      // Escapes that are good in Go are errors under the u flag: the second attempt is without it.
    }
  }
  compiled.set(pattern, made);
  return made;
}
