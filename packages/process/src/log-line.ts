/** The name in brackets of each pino level number. */
const SEVERITIES: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARNING',
  50: 'ERROR',
  60: 'FATAL',
};

/**
 * One record of the log as a line of text like Calico's: `<time UTC> [<severity>][<pid>] <component>: <message>` and
 * then every other field as `key=value`.
 */
export function formatLogLine(record: Readonly<Record<string, unknown>>): string {
  const { level, time, pid, component, msg, ...fields } = record;
  const stamp = new Date(Number(time)).toISOString().replace('T', ' ').replace('Z', '');
  let line = `${stamp} [${SEVERITIES[Number(level)] ?? level}][${pid}] ${component}: ${msg ?? ''}`;
  for (const [key, value] of Object.entries(fields)) line += ` ${key}=${formatValue(value)}`;
  return line;
}

/** Bare words and numbers as they are, everything else as JSON; an error is its message. */
function formatValue(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value === 'object' && value !== null && 'message' in value && 'stack' in value) {
    return JSON.stringify(value.message);
  }
  return JSON.stringify(value) ?? 'undefined';
}
