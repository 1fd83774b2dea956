import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Where to stop: the name of a phase, such as `ADD ipam`. */
export const pauseAt = '/run/pause-at';
/** There while it stands still. */
export const paused = '/run/paused';
/** Made by whoever lets it go on. */
export const goOn = '/run/go-on';

const longestMs = 30_000;

/** Stands still, the whole process, at the phase that a file names, until another file is there; once. */
export function pauseHere(phase: string): void {
  if (!existsSync(pauseAt) || readFileSync(pauseAt, 'utf8') !== phase) return;
  rmSync(pauseAt);
  writeFileSync(paused, phase);
  const end = performance.now() + longestMs;
  while (!existsSync(goOn) && performance.now() < end) Bun.sleepSync(1);
  rmSync(goOn, { force: true });
  rmSync(paused, { force: true });
}
