import { parseDuration } from '@calico/api';
import { badVariable } from './node-error.ts';

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
