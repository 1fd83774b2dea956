import { dlopen, FFIType, ptr, read } from 'bun:ffi';
import { type Addr, addrToBytes } from '@calico/ip';
import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';

const { i32, u32, ptr: pointer } = FFIType;
const libc = dlopen('libc.so.6', {
  socket: { args: [i32, i32, i32], returns: i32 },
  connect: { args: [i32, pointer, u32], returns: i32 },
  poll: { args: [pointer, FFIType.u64, i32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  close: { args: [i32], returns: i32 },
  __errno_location: { args: [], returns: pointer },
}).symbols;

/** linux/net.h, bits/socket.h, asm-generic/poll.h and errno.h, the same on x86-64 and arm64. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 0x1 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const POLLOUT = 4;
const ECONNREFUSED = 111;

/** A connection to try: from a namespace to an address and port. */
export interface TcpTarget {
  readonly from: Namespace;
  readonly address: Addr;
  readonly port: number;
}

/** `open`: the other side answered. `refused`: it answered that nothing listens. `silent`: no answer in time. */
export type TcpFate = 'open' | 'refused' | 'silent' | 'unreachable';

/**
 * Tries all connections at once, each from a new source port, and gives their fates in the same order after at most
 * `timeoutMs`. Every socket is closed before it returns, so that no later retransmission connects.
 */
export async function probeTcp(targets: readonly TcpTarget[], timeoutMs: number): Promise<TcpFate[]> {
  const fates: TcpFate[] = new Array(targets.length).fill('silent');
  const pending = new Map<number, number>();
  for (const [i, target] of targets.entries()) {
    const fd = inNamespace(target.from, () => startConnect(target.address, target.port));
    if (fd < 0) fates[i] = 'unreachable';
    else pending.set(fd, i);
  }
  const deadline = performance.now() + timeoutMs;
  try {
    while (pending.size > 0 && performance.now() < deadline) {
      for (const fd of writable([...pending.keys()])) {
        const index = pending.get(fd);
        if (index !== undefined) fates[index] = outcome(fd);
        pending.delete(fd);
        libc.close(fd);
      }
      // Yields to the event loop: the servers of other pods may live in this very process.
      if (pending.size > 0) await new Promise(resolve => setTimeout(resolve, 2));
    }
  } finally {
    for (const fd of pending.keys()) libc.close(fd);
  }
  return fates;
}

/** Opens a socket in the calling thread's namespace and starts to connect. Gives the descriptor, or -1. */
function startConnect(address: Addr, port: number): number {
  const fd = libc.socket(address.family === 4 ? AF_INET : AF_INET6, SOCK_STREAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`Cannot open a socket: ${fd}`);
  const target = socketAddress(address, port);
  if (libc.connect(fd, ptr(target), target.length) === 0) return fd;
  const EINPROGRESS = 115;
  if (errno() === EINPROGRESS) return fd;
  libc.close(fd);
  return -1;
}

function errno(): number {
  const location = libc.__errno_location();
  if (location === null) throw new Error('Cannot read errno: libc gives no location');
  return read.i32(location, 0);
}

/** struct sockaddr_in, sockaddr_in6: family in host order, port and address in network order. linux/in.h, in6.h */
function socketAddress(address: Addr, port: number): Uint8Array {
  const bytes = new Uint8Array(address.family === 4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, address.family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(addrToBytes(address), address.family === 4 ? 4 : 8);
  return bytes;
}

/** The descriptors on which the connection attempt has ended, one way or the other. */
function writable(fds: readonly number[]): number[] {
  // struct pollfd: int fd; short events; short revents.
  const table = new Uint8Array(fds.length * 8);
  const view = new DataView(table.buffer);
  for (const [i, fd] of fds.entries()) {
    view.setInt32(i * 8, fd, true);
    view.setInt16(i * 8 + 4, POLLOUT, true);
  }
  libc.poll(ptr(table), fds.length, 0);
  return fds.filter((_, i) => view.getInt16(i * 8 + 6, true) !== 0);
}

function outcome(fd: number): TcpFate {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, ptr(value), ptr(length));
  if (value[0] === 0) return 'open';
  return value[0] === ECONNREFUSED ? 'refused' : 'unreachable';
}
