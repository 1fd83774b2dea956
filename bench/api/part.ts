/** A part of the benchmark in a process of its own: told what to do by one JSON argument, it answers in lines of JSON. */
import { join } from 'node:path';
import { linesOf } from '@calico/lab';

/** A part that runs. */
export interface Part {
  /** Its next line. Throws when it ended without one. */
  answer<T>(): Promise<T>;
  /** Tells it to go on. */
  go(): void;
  /** Its largest resident memory up to now, in bytes. */
  largestMemory(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts `<name>.ts` of a folder, bench/api. It ends with this process at the latest. */
export function startPart(name: string, task: object, folder = import.meta.dir): Part {
  const child = Bun.spawn([process.execPath, join(folder, `${name}.ts`), JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const kill = (): void => child.kill('SIGKILL');
  process.once('exit', kill);
  const lines = linesOf(child.stdout);
  return {
    answer: async <T>() => {
      const { done, value } = await lines.next();
      if (done) throw new Error(`Cannot measure: ${name}.ts ended with ${await child.exited}`);
      return JSON.parse(value) as T;
    },
    go: () => {
      child.stdin.write('go\n');
      child.stdin.flush();
    },
    largestMemory: () => largestMemory(child.pid),
    stop: async () => {
      child.kill('SIGTERM');
      await child.exited;
      process.off('exit', kill);
    },
  };
}

/** Runs a part to its first answer. */
export async function runPart<T>(name: string, task: object): Promise<T> {
  const part = startPart(name, task);
  try {
    return await part.answer<T>();
  } finally {
    await part.stop();
  }
}

/** Inside a part: what it was told. */
export function task<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

/** Inside a part: one line for who started it. Resolves when the whole line is on its way: wait for it before an exit. */
export function answer(value: unknown): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.stdout.write(`${JSON.stringify(value)}\n`, () => resolve());
  return promise;
}

/** Inside a part: resolves when it is told to go on. */
export async function whenToldToGo(): Promise<void> {
  for await (const _ of process.stdin) return;
}

/** Largest resident memory of a process, in bytes (proc(5), VmHWM). */
export async function largestMemory(pid: number | 'self' = 'self'): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}
