import type { LogFile } from '@calico/process/log-file';
import { formatLogLine } from '@calico/process/log-line';
import { CniError, errorCodes } from './cni-error.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The plugin's own log: to standard error always, and to a file where the configuration names one. */
export interface PluginLog {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
  /** Writes what has been logged to the file. Never rejects: a log that cannot be written is no reason to refuse a pod. */
  flush(): Promise<void>;
}

/** Appends whole lines to a log's file. @param wallTime ms since 1970. */
export type AppendToLog = (file: LogFile, lines: string, wallTime: number) => Promise<void>;

async function appendNow(file: LogFile, lines: string, wallTime: number): Promise<void> {
  const { appendToLog } = await import('@calico/process/log-file');
  await appendToLog(file, lines, new Date(wallTime));
}

/** pino's numbers, as the lines are made from them. */
const levels = { debug: 20, info: 30, warn: 40, error: 50 } as const;
/** What `log_level` may say, in any case. */
const namedLevels: Fields = { debug: 20, info: 30, warning: 40, warn: 40, error: 50, fatal: 60 };
const MEGABYTE = 1 << 20;
const DAY_MS = 86_400_000;

/** Opens the log that a network configuration asks for. Throws CniError 7 that names the field. */
export function openPluginLog(
  config: Fields,
  stderr: { write(text: string): unknown },
  wallTime: () => number,
  append: AppendToLog = appendNow,
): PluginLog {
  const least = levelOf(config.log_level);
  const file = fileOf(config);
  let lines = '';
  const record = (level: number) => (fields: Fields, message: string) => {
    if (level < least) return;
    const line = formatLogLine({
      level,
      time: wallTime(),
      pid: process.pid,
      component: 'cni',
      msg: message,
      ...fields,
    });
    stderr.write(`${line}\n`);
    if (file !== undefined) lines += `${line}\n`;
  };
  return {
    debug: record(levels.debug),
    info: record(levels.info),
    warn: record(levels.warn),
    error: record(levels.error),
    async flush() {
      if (file === undefined || lines === '') return;
      try {
        await append(file, lines, wallTime());
      } catch (error) {
        stderr.write(`Cannot write log file ${file.path}: ${error instanceof Error ? error.message : error}\n`);
      }
      lines = '';
    },
  };
}

function levelOf(value: unknown): number {
  if (value === undefined || value === '') return levels.info;
  const level = typeof value === 'string' ? namedLevels[value.toLowerCase()] : undefined;
  if (typeof level === 'number') return level;
  throw refused('log_level', value, Object.keys(namedLevels).join(', '));
}

function fileOf(config: Fields): LogFile | undefined {
  const path = config.log_file_path ?? '';
  if (path === '') return undefined;
  if (typeof path !== 'string' || !path.startsWith('/')) throw refused('log_file_path', path, 'an absolute path');
  return {
    path,
    maxBytes: count(config, 'log_file_max_size', 100) * MEGABYTE,
    maxAgeMs: count(config, 'log_file_max_age', 30) * DAY_MS,
    maxCount: count(config, 'log_file_max_count', 10),
  };
}

/** 0 stands for the default, as in Calico. */
function count(config: Fields, field: string, absent: number): number {
  const value = config[field] ?? 0;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
    throw refused(field, value, 'a whole number from 0');
  return value || absent;
}

function refused(field: string, value: unknown, allowed: string): CniError {
  return new CniError(
    errorCodes.invalidConfig,
    `Cannot use network configuration: ${field} is ${JSON.stringify(value)}; allowed: ${allowed}`,
  );
}
