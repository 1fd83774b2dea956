/** A program that runs beside the tests. */
export interface ChildProgram {
  readonly pid: number;
  /** Resolves once `probe` gives true; throws with the program's last words when it ends first, or after a minute. */
  ready(probe: () => Promise<boolean>): Promise<void>;
  /** Asks it to end, and makes it end after two seconds: some wait for the watches of their clients for ever. */
  stop(): Promise<void>;
  /** Ends it at once, as a power failure does. */
  kill(): Promise<void>;
}

const READY_MS = 60_000;
const PROBE_MS = 50;
const PATIENCE_MS = 2000;
/** As much of what it wrote is kept for error text. */
const LAST_WORDS = 4000;

/** Starts a program; it ends with this process at the latest. */
export function startChild(program: string, args: readonly string[]): ChildProgram {
  const child = Bun.spawn([program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  const decoder = new TextDecoder();
  const reading = (async () => {
    for await (const chunk of child.stderr) words = (words + decoder.decode(chunk)).slice(-LAST_WORDS);
  })();
  const killAtExit = (): void => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const ended = async (): Promise<void> => {
    await child.exited;
    await reading;
    process.off('exit', killAtExit);
  };
  return {
    pid: child.pid,
    ready: async probe => {
      const until = performance.now() + READY_MS;
      for (;;) {
        if (await probe().catch(() => false)) return;
        if (child.exitCode !== null) {
          await reading;
          throw new Error(`Cannot start ${program}: it ended with ${child.exitCode}: ${words}`);
        }
        if (performance.now() > until) throw new Error(`Cannot start ${program}: it is not ready: ${words}`);
        await Bun.sleep(PROBE_MS);
      }
    },
    stop: async () => {
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await ended();
      clearTimeout(patience);
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended();
    },
  };
}
