import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace } from '@calico/kernel';
import { createNamespace, deleteNamespace, inNamespace } from '@calico/kernel/linux';
import { systemClock, systemRandom } from '@calico/process';
import { BirdDaemon, type BirdLog } from './bird-daemon.ts';
import { isUnreachable } from './error.ts';

const SEARCH_PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** The installed BIRD, or undefined. */
export const birdExecutable: string | undefined = Bun.which('bird', { PATH: SEARCH_PATH }) ?? undefined;

const silent: BirdLog = { info: () => undefined, warn: () => undefined };

let last = 0;

/** A real BIRD's daemon with a network namespace and a folder of its own, until `close`, which also ends BIRD. */
export interface BirdHost {
  readonly daemon: BirdDaemon;
  readonly folder: string;
  readonly namespace: Namespace;
  /** Another daemon for the same BIRD, as an agent that was started again has. */
  another(): BirdDaemon;
  close(): Promise<void>;
}

/** Opens a host for a real BIRD; BIRD itself starts at the first `apply`. */
export function openBirdHost(): BirdHost {
  const path = `/run/netns/bird-test-${process.pid}-${++last}`;
  const namespace = createNamespace(path);
  const folder = mkdtempSync(join(tmpdir(), 'bird-test-'));
  const open = () =>
    new BirdDaemon({
      folder,
      clock: systemClock,
      random: systemRandom,
      log: silent,
      inside: work => inNamespace(namespace, work),
    });
  const daemon = open();
  return {
    daemon,
    folder,
    namespace,
    another: open,
    async close() {
      daemon.stop();
      const gone = () => daemon.control.status().then(() => undefined, isUnreachable);
      if (!(await gone())) {
        await daemon.control.shutdown();
        await eventually('the end of BIRD', async () => (await gone()) || undefined);
      }
      namespace.close();
      deleteNamespace(path);
      // BIRD takes its socket away a moment after it stopped to answer.
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Tests with a real BIRD in namespaces of their own: `define` is called as root, also of a user namespace. For anyone else the
 * file `path` is run again inside a user namespace, and that run is the one test. Without BIRD they are skipped.
 */
export function withBird(path: string, define: () => void): void {
  if (birdExecutable === undefined) {
    test.skip('needs BIRD (skipped: bird2 is not installed)', () => undefined);
    return;
  }
  if (process.getuid?.() === 0) {
    define();
    return;
  }
  const enter = ['unshare', '-Urnmp', '--fork', '--mount-proc'];
  const refusal = Bun.spawnSync([...enter, 'true']).exitCode !== 0 && 'no user namespaces here';
  describe.skipIf(refusal !== false)(`in a user namespace${refusal ? ` (skipped: ${refusal})` : ''}`, () => {
    const again = () => {
      const inside = 'mount -t tmpfs tmpfs /run && exec "$0" test "$1"';
      const run = Bun.spawnSync([...enter, 'sh', '-c', inside, process.execPath, path], { stderr: 'pipe' });
      expect(run.exitCode === 0 ? '' : run.stderr.toString()).toBe('');
    };
    test(`${path} passes`, again, 90_000);
  });
}

/** Asks again and again until the answer is not undefined; throws after 20 s. */
export async function eventually<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = systemClock.now() + 20_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (systemClock.now() > deadline) throw new Error(`Cannot wait longer: never came: ${what}`);
    await systemClock.sleep(20);
  }
}
