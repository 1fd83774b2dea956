import pino from 'pino';
import { LEVEL_NUMBERS, type LogLevel, levelOf, parseLogLevel } from './level.ts';
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

/** Where lines go beside a log's first place. */
export interface LogTarget {
  /** The least severity that goes there. */
  readonly level: LogLevel;
  /** Takes each line with its end, and how severe it is. */
  write(line: string, level: LogLevel): void;
}

/** A logger and the level that it and all its children share. */
export interface Log {
  readonly logger: Logger;
  /** Changes the least severity that is written, at once, everywhere. */
  setLevel(level: LogLevel): void;
  /** Lines go there too from now on, each place by its own level; those that went to other places no longer do. */
  alsoTo(targets: readonly LogTarget[]): void;
}

/** Opens a log. */
export function createLog(options: LoggerOptions): Log {
  const { component, format = 'text' } = options;
  const write = options.write ?? standardOutput();
  let targets: readonly LogTarget[] = [{ level: options.level ?? 'info', write }];
  let threshold = 0;
  const setTargets = (to: readonly LogTarget[]): void => {
    targets = to;
    threshold = Math.min(...to.map(target => LEVEL_NUMBERS[target.level]));
  };
  setTargets(targets);
  /** Severity of the record that is being written. */
  let severity = 0;
  const spread = (line: string): void => {
    const own = severity;
    for (const target of targets) if (own >= LEVEL_NUMBERS[target.level]) target.write(line, levelOf(own));
  };
  const logger = pino(
    {
      level: 'trace',
      base: { pid: process.pid, component },
      hooks: {
        logMethod(args, method, level) {
          if (level < threshold) return;
          severity = level;
          method.apply(this, args);
        },
      },
    },
    { write: format === 'json' ? spread : json => spread(`${formatLogLine(JSON.parse(json))}\n`) },
  );
  return {
    logger,
    setLevel(level) {
      setTargets([{ level, write }, ...targets.slice(1)]);
    },
    alsoTo(others) {
      setTargets([...targets.slice(0, 1), ...others]);
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
