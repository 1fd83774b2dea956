import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Client } from '@calico/datastore';
import { TroubledClient } from '@calico/ipam/testing';

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

/** A client that stands still before each write of IPAM's that a file names: `ADD before IPAMBlock` … */
export function pausingClient(client: Client): Client {
  return new TroubledClient(client, ({ write, resource }) => {
    const [kind] = resource.split('(');
    if (write) for (const command of ['ADD', 'DEL']) pauseHere(`${command} before ${kind}`);
    return 'done';
  });
}
