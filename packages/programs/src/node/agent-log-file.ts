import type { Logger, LogTarget } from '@calico/process';
import type { LogFiles } from '@calico/process/log-files';
import type { AgentConfig } from './felix-config.ts';

/** How much of a log file is kept: the plugin's own choice. */
const kept = { maxBytes: 100 << 20, maxAgeMs: 30 * 86_400_000, maxCount: 10 };

/** The file that the log goes to beside standard output: LogFilePath. One that cannot be written is said once. */
export class AgentLogFile {
  readonly #log: Logger;
  readonly #files: Pick<LogFiles, 'append'>;
  #path = '';
  #failed = false;

  constructor(log: Logger, files: Pick<LogFiles, 'append'>) {
    this.#log = log;
    this.#files = files;
  }

  /** Where lines are to go by this. */
  targets({ logFilePath, logFileLevel }: Pick<AgentConfig, 'logFilePath' | 'logFileLevel'>): LogTarget[] {
    if (logFilePath !== this.#path) this.#failed = false;
    this.#path = logFilePath;
    if (logFilePath === '') return [];
    return [{ level: logFileLevel, write: line => void this.#append(logFilePath, line) }];
  }

  async #append(path: string, line: string): Promise<void> {
    try {
      await this.#files.append({ path, ...kept }, line);
    } catch (err) {
      if (this.#failed || path !== this.#path) return;
      this.#failed = true;
      this.#log.error({ err, path }, 'Log file cannot be written (LogFilePath)');
    }
  }
}
