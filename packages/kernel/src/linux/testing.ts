import { describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import type { ContractSetting } from '../contract.ts';
import { createNamespace, deleteNamespace, openKernel } from './index.ts';

let last = 0;

/** A path for a namespace of the running test, that no other test uses. */
export function freshPath(): string {
  return `/run/netns/kernel-test-${process.pid}-${++last}-${randomBytes(2).toString('hex')}`;
}

/** Two fresh namespaces of this machine, pinned under /run/netns until `close`. */
export function freshNamespaces(): ContractSetting {
  const paths: [string, string] = [freshPath(), freshPath()];
  const namespace = createNamespace(paths[0]);
  const otherNamespace = createNamespace(paths[1]);
  const kernel = openKernel({ namespace });
  const other = openKernel({ namespace: otherNamespace });
  return {
    namespace,
    otherNamespace,
    kernel,
    other,
    close() {
      for (const each of [kernel, other, namespace, otherNamespace]) each.close();
      for (const path of paths) deleteNamespace(path);
    },
  };
}

/**
 * Tests that change namespaces: `define` is called as root, also of a user namespace. For anyone else the file `path`
 * is run again inside a user namespace of its own, and that run is the one test.
 */
export function privileged(path: string, define: () => void): void {
  if (process.getuid?.() === 0) {
    define();
    return;
  }
  const enter = ['unshare', '-Urnmp', '--fork', '--mount-proc'];
  const refusal = Bun.spawnSync([...enter, 'true']).exitCode !== 0 && 'no user namespaces here';
  describe.skipIf(refusal !== false)(`in a user namespace${refusal ? ` (skipped: ${refusal})` : ''}`, () => {
    test(`${path} passes`, () => {
      const inside = 'mount -t tmpfs tmpfs /run && exec "$0" test "$1"';
      const run = Bun.spawnSync([...enter, 'sh', '-c', inside, process.execPath, path], { stderr: 'pipe' });
      expect(run.exitCode === 0 ? '' : run.stderr.toString()).toBe('');
    });
  });
}
