import { badVariable } from './node-error.ts';

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};
const part = /(\d+(?:\.\d*)?|\.\d+)(h|ms|m|us|µs|ns|s)/g;

/** A duration as Go writes it (`90s`, `1m30s`) in milliseconds; undefined when the text is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (text === '' || text.replace(part, '') !== '') return undefined;
  return [...text.matchAll(part)].reduce((sum, [, count, unit = '']) => sum + Number(count) * (unitMs[unit] ?? 0), 0);
}

/** The duration in a variable, in milliseconds; `absent` when it is empty. Throws NodeError that names it. */
export function durationOf(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  absent: number,
): number {
  const text = env[variable];
  if (!text) return absent;
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw badVariable(variable, text, 'a duration above zero such as 60s or 1m30s');
  return ms;
}
