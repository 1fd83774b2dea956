import { appendToLog, type LogFile } from './log-file.ts';

/** Lines of one file that may wait for a disk that does not keep up, in characters; what comes then is lost. */
const mostWaiting = 1 << 20;

interface Batch {
  lines: string;
  readonly written: Promise<void>;
}

/**
 * The log files of a process that stays. Nobody waits for a disk: lines go to each file in the background, and what comes while a write
 * is under way goes with the next.
 */
export class LogFiles {
  readonly #wallTime: () => number;
  /** By path: the write under way, and the one after it. */
  readonly #writing = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Batch>();

  /** @param wallTime ms since 1970, for the names of files put aside. */
  constructor(wallTime: () => number) {
    this.#wallTime = wallTime;
  }

  /** Appends whole lines. Resolves when they are written; rejects when they can't be, or too many wait. */
  append(file: LogFile, lines: string): Promise<void> {
    const { path } = file;
    const next = this.#next.get(path);
    if (next !== undefined) {
      if (next.lines.length + lines.length > mostWaiting)
        return Promise.reject(new Error(`Cannot write ${path}: ${mostWaiting} characters wait for it already`));
      next.lines += lines;
      return next.written;
    }
    const writing = this.#writing.get(path);
    if (writing === undefined) return this.#write(file, lines);
    const written = writing.catch(() => undefined).then(() => this.#write(file, this.#take(path)));
    this.#next.set(path, { lines, written });
    return written;
  }

  /** Resolves when everything is written, or could not be. */
  async settled(): Promise<void> {
    while (this.#writing.size > 0 || this.#next.size > 0) {
      await Promise.allSettled([...this.#writing.values(), ...[...this.#next.values()].map(({ written }) => written)]);
    }
  }

  #take(path: string): string {
    const { lines } = this.#next.get(path) ?? { lines: '' };
    this.#next.delete(path);
    return lines;
  }

  #write(file: LogFile, lines: string): Promise<void> {
    const writing = appendToLog(file, lines, new Date(this.#wallTime())).finally(() => {
      if (this.#writing.get(file.path) === writing) this.#writing.delete(file.path);
    });
    this.#writing.set(file.path, writing);
    return writing;
  }
}
