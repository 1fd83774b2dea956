/** Milliseconds of each unit. */
const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

const PART = /(\d+(?:\.\d*)?|\.\d+)(h|ms|m|us|µs|ns|s)/g;

/** A span of time as Go writes it (`1m30s`, `500ms`, `0`), in milliseconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (text === '' || text.replace(PART, '') !== '') return undefined;
  return [...text.matchAll(PART)].reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNITS[unit] ?? 0), 0);
}
