import { expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cidr } from '@calico/ip';
import { isAbsent, KernelError } from '../error.ts';
import {
  createNamespace,
  currentNamespace,
  deleteNamespace,
  fillThreadPool,
  inNamespace,
  openKernel,
  openNamespace,
} from './index.ts';
import { freshNamespaces, freshPath, privileged } from './testing.ts';

const current = () => readlinkSync('/proc/thread-self/ns/net');

// The engine's compiler and collector helpers are born on demand, wherever this thread is at that moment. They touch no
// file and no socket, and end when idle: being elsewhere does no harm.
const engineThreads = new Set(['JITWorker', 'HeapHelper']);

/** The namespaces of all threads of this process that may do work of ours, each once. */
function namespacesOfThreads(): string[] {
  const seen = new Set<string>();
  for (const task of readdirSync('/proc/self/task')) {
    try {
      const name = readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
      if (!engineThreads.has(name)) seen.add(readlinkSync(`/proc/self/task/${task}/ns/net`));
    } catch (error) {
      // A thread may end while we look; anything else is a failure.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return [...seen];
}

function caught(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

privileged(import.meta.path, () => {
  test('inNamespace works inside and comes back, also nested and after an error', () => {
    const home = current();
    const setting = freshNamespaces();
    try {
      const seen = inNamespace(setting.namespace, () => {
        const outer = current();
        const inner = inNamespace(setting.otherNamespace, current);
        return [outer, inner, current()];
      });
      expect(seen[0]).not.toBe(home);
      expect(seen[1]).not.toBe(seen[0]);
      expect(seen[2]).toBe(seen[0]);
      expect(current()).toBe(home);
      const failure = new Error('work failed');
      expect(
        caught(() =>
          inNamespace(setting.namespace, () => {
            throw failure;
          }),
        ),
      ).toBe(failure);
      expect(current()).toBe(home);
    } finally {
      setting.close();
    }
  });

  test('a kernel opened inside a namespace stays with it', () => {
    const setting = freshNamespaces();
    try {
      const kernel = inNamespace(setting.namespace, () => openKernel());
      kernel.createLink({ kind: 'bridge', name: 'br0' });
      expect(setting.kernel.link('br0')?.kind).toBe('bridge');
      kernel.setSysctl('net/ipv4/ip_forward', '1');
      expect(setting.kernel.sysctl('net/ipv4/ip_forward')).toBe('1');
      kernel.close();
    } finally {
      setting.close();
    }
  });

  test('no thread that works for us is left or born in a namespace, after all kinds of use', async () => {
    await fillThreadPool();
    const home = current();
    const setting = freshNamespaces();
    try {
      const { kernel, namespace } = setting;
      const subscription = kernel.subscribe(['link'], () => undefined);
      for (let round = 0; round < 50; round++) {
        const { index } = kernel.createLink({ kind: 'veth', name: `cali${round}`, peer: { name: `peer${round}` } });
        kernel.setSysctl(`net/ipv4/conf/cali${round}/proxy_arp`, '1');
        kernel.replaceAddress({ link: index, address: cidr('10.0.0.1/32'), scope: 'universe' });
        inNamespace(namespace, () => kernel.sysctl('net/ipv4/ip_forward'));
        kernel.deleteLink(index);
      }
      await Promise.all(Array.from({ length: 100 }, () => readFile('/proc/self/stat')));
      subscription.close();
      expect(namespacesOfThreads()).toEqual([home]);
    } finally {
      setting.close();
    }
  });

  test('subscribing inside of inNamespace is refused: the event thread would stay there', () => {
    const setting = freshNamespaces();
    try {
      const error = caught(() =>
        inNamespace(setting.namespace, () => setting.kernel.subscribe(['link'], () => undefined)),
      );
      expect(String(error)).toContain('outside of inNamespace');
    } finally {
      setting.close();
    }
  });

  test('creating a namespace twice is EEXIST, and opening or deleting an absent one ENOENT', () => {
    const path = freshPath();
    const namespace = createNamespace(path);
    namespace.close();
    expect(caught(() => createNamespace(path))).toMatchObject({ code: 'EEXIST' });
    expect(existsSync(path)).toBe(true);
    deleteNamespace(path);
    expect(existsSync(path)).toBe(false);
    expect(isAbsent(caught(() => openNamespace(path)))).toBe(true);
    expect(isAbsent(caught(() => deleteNamespace(path)))).toBe(true);
  });

  test('a file that is no network namespace is refused', () => {
    const path = freshPath();
    writeFileSync(path, '');
    for (const other of [path, '/proc/self/ns/uts']) {
      const error = caught(() => openNamespace(other));
      expect(error).toBeInstanceOf(KernelError);
      expect(String(error)).toContain('not a network namespace');
    }
    deleteNamespace(path);
    expect(existsSync(path)).toBe(false);
  });

  test('the current namespace can be entered again from another one', () => {
    const home = current();
    const here = currentNamespace();
    const setting = freshNamespaces();
    try {
      expect(inNamespace(setting.namespace, () => inNamespace(here, current))).toBe(home);
    } finally {
      here.close();
      setting.close();
    }
  });
});
