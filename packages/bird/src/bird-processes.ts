import { closeSync, openSync } from 'node:fs';
import { BirdError } from './error.ts';

/** A BIRD that we started. */
export interface BirdProcess {
  readonly pid: number;
  /** How it ended, in words: `exit code is 1`, `signal is SIGKILL`. */
  readonly ended: Promise<string>;
  /** Ends it at once. */
  kill(): void;
}

/** Where BIRD finds its things. */
export interface BirdFiles {
  readonly config: string;
  readonly socket: string;
  /** Takes what BIRD says. */
  readonly log: string;
}

/** What the daemon needs of the machine's processes. */
export interface BirdProcesses {
  /** BIRD's words about a configuration that does not parse; undefined if it is right. BirdError Missing without executable. */
  check(configPath: string): Promise<string | undefined>;
  /**
   * Starts a BIRD that lives on when this process ends. `recover`: the kernel holds routes of a BIRD before, which stay
   * until neighbours have told theirs anew. BirdError Missing without executable.
   */
  start(files: BirdFiles, recover: boolean): BirdProcess;
}

/** Runs `work` where children are to be born: in a network namespace, say. */
export type Inside = <T>(work: () => T extends PromiseLike<unknown> ? never : T) => T;

/** Debian keeps daemons where the search path of users does not lead. */
const MORE_FOLDERS = '/usr/sbin:/sbin:/usr/local/sbin';

/** The real processes. */
export function birdProcesses(executable: string, inside: Inside): BirdProcesses {
  const env = { PATH: `${process.env.PATH ?? ''}:${MORE_FOLDERS}` };
  const found = (): string => {
    const path = Bun.which(executable, { PATH: env.PATH });
    if (path !== null) return path;
    throw new BirdError('Missing', `Cannot start BIRD: executable is "${executable}"; allowed: one that is installed`);
  };
  return {
    async check(configPath) {
      const child = Bun.spawn([found(), '-p', '-c', configPath], { env, stdio: ['ignore', 'ignore', 'pipe'] });
      const [words, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
      return code === 0 ? undefined : words.trim() || `exit code is ${code}`;
    },
    start(files, recover) {
      const command = [found(), '-f', '-c', files.config, '-s', files.socket, ...(recover ? ['-R'] : [])];
      const log = openSync(files.log, 'a');
      try {
        const child = inside(() => ({
          // A session of its own: a terminal's Ctrl-C and hang-up are not for it.
          process: Bun.spawn(command, { env, stdio: ['ignore', log, log], detached: true }),
        })).process;
        child.unref();
        const ended = child.exited.then(code =>
          child.signalCode === null ? `exit code is ${code}` : `signal is ${child.signalCode}`,
        );
        return { pid: child.pid, ended, kill: () => child.kill('SIGKILL') };
      } finally {
        closeSync(log);
      }
    },
  };
}
