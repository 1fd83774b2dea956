/** Severities by pino's names, the least severe first; `silent` logs nothing. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** pino's number of each level. */
export const LEVEL_NUMBERS: Readonly<Record<LogLevel, number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: Number.POSITIVE_INFINITY,
};

const byNumber = new Map(Object.entries(LEVEL_NUMBERS).map(([name, number]) => [number, name as LogLevel]));

/** The level of pino's number. */
export function levelOf(number: number): LogLevel {
  return byNumber.get(number) ?? 'info';
}

/** The names that Calico's LogSeverityScreen and `--log-level` take, in lower case. */
const NAMES: Readonly<Record<string, LogLevel>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'fatal',
  panic: 'fatal',
  none: 'silent',
};

/** Reads a severity as FELIX_LOGSEVERITYSCREEN and its like name it, in any case; undefined when it is none. */
export function parseLogLevel(text: string): LogLevel | undefined {
  const name = text.toLowerCase();
  return Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
}
