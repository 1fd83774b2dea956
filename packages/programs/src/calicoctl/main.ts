import { calicoctl } from './program.ts';
import { systemWorld } from './system-world.ts';

/** Runs `calicoctl <args>` on this machine. Gives the exit code: 0, or 1 after any error. */
export async function runCalicoctl(args: string[]): Promise<number> {
  return await calicoctl(args, systemWorld(process.env));
}
