import pino from 'pino';
import { LEVEL_NUMBERS, type LogLevel, parseLogLevel } from './level.ts';
import { formatLogLine } from './log-line.ts';

export { type LogLevel, parseLogLevel };

/** Writes one record: a message, or fields and a message. An error goes under the field `err`. */
export interface LogMethod {
  (message: string): void;
  (fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Where a part says what it does. */
export interface Logger {
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  readonly fatal: LogMethod;
  /** A logger that adds fields to every record; `component` replaces the name of the part. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

export interface LoggerOptions {
  /** The program or part, as `felix`. */
  readonly component: string;
  /** The least severity that is written; `info` by default. */
  readonly level?: LogLevel;
  /** Lines for people, as Calico writes them (the default), or a JSON object on each line. */
  readonly format?: 'text' | 'json';
  /** Takes each line with its end; standard output by default, written before the call returns. */
  readonly write?: (line: string) => void;
}

/** A logger and the level that it and all its children share. */
export interface Log {
  readonly logger: Logger;
  /** Changes the least severity that is written, at once, everywhere. */
  setLevel(level: LogLevel): void;
}

/** Opens a log. */
export function createLog(options: LoggerOptions): Log {
  const { component, format = 'text' } = options;
  let threshold = LEVEL_NUMBERS[options.level ?? 'info'];
  const write = options.write ?? standardOutput();
  const logger = pino(
    {
      level: 'trace',
      base: { pid: process.pid, component },
      hooks: {
        logMethod(args, method, level) {
          if (level >= threshold) method.apply(this, args);
        },
      },
    },
    { write: format === 'json' ? write : json => write(`${formatLogLine(JSON.parse(json))}\n`) },
  );
  return {
    logger,
    setLevel(level) {
      threshold = LEVEL_NUMBERS[level];
    },
  };
}

/** A log's logger, for those who never change its level. */
export function createLogger(options: LoggerOptions): Logger {
  return createLog(options).logger;
}

function standardOutput(): (line: string) => void {
  const output = pino.destination({ fd: 1, sync: true });
  return line => {
    output.write(line);
  };
}
