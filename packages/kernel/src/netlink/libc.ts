import { dlopen, type Pointer, read } from 'bun:ffi';
import { KernelError } from '../error.ts';

/**
 * The few libc functions that the kernel edge needs, called synchronously on this thread. A pointer argument is a typed
 * array, alive for the length of the call because the caller holds it.
 */
const library = dlopen('libc.so.6', {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  getsockname: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
  setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
  // ssize_t, taken as i32: our buffers are far below 2 GiB, and a 64-bit result would be a bigint.
  send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i32' },
  recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i32' },
  open: { args: ['ptr', 'i32', 'i32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
  ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  fcntl: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  setns: { args: ['i32', 'i32'], returns: 'i32' },
  unshare: { args: ['i32'], returns: 'i32' },
  mount: { args: ['ptr', 'ptr', 'ptr', 'u64', 'ptr'], returns: 'i32' },
  umount2: { args: ['ptr', 'i32'], returns: 'i32' },
  pipe2: { args: ['ptr', 'i32'], returns: 'i32' },
  write: { args: ['i32', 'ptr', 'u64'], returns: 'i32' },
  abort: { args: [], returns: 'void' },
  __errno_location: { args: [], returns: 'ptr' },
});

export const libc = library.symbols;

// errno is thread-local, so its address never changes for this thread; reading it is then no call at all.
const errnoAddress: Pointer = (() => {
  const address = libc.__errno_location();
  if (typeof address !== 'number') throw new Error('Cannot read errno: __errno_location is null; allowed: an address');
  return address;
})();

/** errno of the libc call made just before. */
export function errno(): number {
  return read.i32(errnoAddress, 0);
}

export const EINTR = 4;
export const EAGAIN = 11;
export const EINVAL = 22;
export const ENOBUFS = 105;
export const ETIMEDOUT = 110;

/** Gives `result` back, or throws KernelError with errno when it is negative. To be wrapped around the call itself. */
export function checked(result: number, op: string): number {
  if (result < 0) throw new KernelError(op, errno());
  return result;
}

/** Like {@link checked}, but makes the call again as long as a signal interrupts it. */
export function retried(call: () => number, op: string): number {
  for (;;) {
    const result = call();
    if (result >= 0) return result;
    const code = errno();
    if (code !== EINTR) throw new KernelError(op, code);
  }
}

const encoder = new TextEncoder();

/** A C string: UTF-8 with its closing NUL. */
export function cString(text: string): Uint8Array {
  return encoder.encode(`${text}\0`);
}
