import { mkdirSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { KernelError } from '../error.ts';
import type { Namespace } from '../kernel.ts';
import { checked, cString, EINVAL, errno, libc, retried } from '../netlink/libc.ts';
import { asKernelError } from './file-error.ts';

// linux/sched.h, fcntl.h, sys/mount.h
const CLONE_NEWNET = 0x40000000;
const O_RDONLY = 0;
const O_CREAT_EXCL = 0o100 | 0o200;
const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** Of the calling thread; /proc/self would be that of the process's first thread. */
const CURRENT = '/proc/thread-self/ns/net';

/** The namespace this thread is in, as far as this module moved it; opened at the first use. */
let here: number | undefined;
/** How many inNamespace are under way. */
let depth = 0;

class OpenNamespace implements Namespace {
  readonly fd: number;
  readonly path: string | undefined;
  #open = true;

  constructor(fd: number, path: string | undefined) {
    this.fd = fd;
    this.path = path;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    libc.close(this.fd);
  }
}

/**
 * Opens a network namespace by its file: /run/netns/<name>, /proc/<pid>/ns/net. Whoever has it open keeps it alive.
 * Throws KernelError: ENOENT if absent, EINVAL if the file is no network namespace.
 */
export function openNamespace(path: string): Namespace {
  const fd = openFile(path, O_RDONLY);
  const namespace = new OpenNamespace(fd, path);
  if (!isNetworkNamespace(fd)) {
    namespace.close();
    throw new KernelError(`open namespace ${path}`, EINVAL, 'not a network namespace');
  }
  return namespace;
}

/** Throws Error while an inNamespace is under way: for work that starts threads, which would be born there and stay. */
export function assertHome(act: string): void {
  if (depth > 0) throw new Error(`Cannot ${act}: thread is in another namespace; allowed: outside of inNamespace`);
}

/** The namespace this thread is in, for as long as the thread lives; entering it from itself costs nothing. */
export function ambientNamespace(): Namespace {
  return depth > 0 ? currentNamespace() : { fd: enterable(), path: undefined, close: () => undefined };
}

/** The namespace this thread is in, as a descriptor of its own. */
export function currentNamespace(): Namespace {
  return new OpenNamespace(checked(libc.fcntl(enterable(), F_DUPFD_CLOEXEC, 0), 'duplicate namespace'), undefined);
}

/**
 * Makes a new network namespace and pins it with a bind mount on `path` (missing folders are made), as `ip netns add`
 * does. Loopback is down in it. Throws KernelError EEXIST if the file is there; after a failure nothing is left.
 */
export function createNamespace(path: string): Namespace {
  const op = `create namespace ${path}`;
  asKernelError(op, () => mkdirSync(dirname(path), { recursive: true }));
  libc.close(openFile(path, O_RDONLY | O_CREAT_EXCL, op));
  let mounted = false;
  try {
    inNewNamespace(op, () => {
      checked(libc.mount(cString(CURRENT), cString(path), cString('none'), MS_BIND, null), op);
      mounted = true;
    });
    return openNamespace(path);
  } catch (error) {
    if (mounted) libc.umount2(cString(path), MNT_DETACH | UMOUNT_NOFOLLOW);
    unlinkSync(path);
    throw error;
  }
}

/**
 * Takes away what {@link createNamespace} pinned. The namespace itself ends with its last user: a process in it, a socket
 * or a descriptor of it. Throws KernelError ENOENT if the file is absent; one that is no mount is only unlinked.
 */
export function deleteNamespace(path: string): void {
  const op = `delete namespace ${path}`;
  if (libc.umount2(cString(path), MNT_DETACH | UMOUNT_NOFOLLOW) < 0) {
    const code = errno();
    if (code !== EINVAL) throw new KernelError(op, code); // EINVAL: not a mount point
  }
  asKernelError(op, () => unlinkSync(path));
}

/**
 * Runs `work` with this thread in the namespace and comes back, whatever happens. `work` is synchronous (the type forbids a
 * promise) and uses calls that stay on this thread only: FFI and `*Sync`. Sockets that it opens stay in the namespace and
 * may be used later. Keep it short: a helper thread of the JavaScript engine (compiler, collector) that happens to be born
 * meanwhile does no harm inside, but keeps the namespace alive until it has been idle for some seconds. Calls may be nested. If the way back fails the process is aborted: it would go on in the wrong network.
 */
export function inNamespace<T>(namespace: Namespace, work: () => T extends PromiseLike<unknown> ? never : T): T {
  const before = enterable();
  if (namespace.fd === before) return work();
  checked(libc.setns(namespace.fd, CLONE_NEWNET), `enter namespace ${namespace.path ?? namespace.fd}`);
  here = namespace.fd;
  depth++;
  try {
    return work();
  } finally {
    depth--;
    comeBack(before);
  }
}

function inNewNamespace(op: string, work: () => void): void {
  const before = enterable();
  checked(libc.unshare(CLONE_NEWNET), op);
  try {
    work();
  } finally {
    comeBack(before);
  }
}

function comeBack(before: number): void {
  if (libc.setns(before, CLONE_NEWNET) === 0) {
    here = before;
    return;
  }
  writeSync(2, `Cannot return to the home network namespace: errno is ${errno()}; the process ends\n`);
  libc.abort();
}

function enterable(): number {
  here ??= openFile(CURRENT, O_RDONLY);
  return here;
}

function isNetworkNamespace(fd: number): boolean {
  // linux/nsfs.h NS_GET_NSTYPE: the CLONE_NEW* flag of the namespace
  return libc.ioctl(fd, 0xb703, null) === CLONE_NEWNET;
}

function openFile(path: string, flags: number, op = `open namespace ${path}`): number {
  const name = cString(path);
  return retried(() => libc.open(name, flags | O_CLOEXEC, 0o444), op);
}
