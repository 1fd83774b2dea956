import { dlopen, FFIType, ptr } from 'bun:ffi';
import { addr, addrToBytes } from '@calico/ip';
import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';

const { i32, u32, ptr: pointer } = FFIType;
const libc = dlopen('libc.so.6', {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  sendmmsg: { args: [i32, pointer, u32, i32], returns: i32 },
  clock_gettime: { args: [i32, pointer], returns: i32 },
  close: { args: [i32], returns: i32 },
}).symbols;

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const UDP = 17;

/** Packets of one call: short enough that most calls are never interrupted, long enough that the call itself is nothing. */
export const packetsPerCall = 256;

/** Bytes of a packet without its IP header: a UDP header and as much again. */
const packetBytes = 16;

/** Sends UDP packets from a namespace, each from another source port, many in one call to the kernel. */
export class FlowSender {
  readonly #fd: number;
  /** Packets, then their vectors, then the messages, then the target: one block, so that no address ever changes. */
  readonly #memory = new DataView(new ArrayBuffer(packetsPerCall * (packetBytes + 16 + 64) + 16));
  readonly #messages: ReturnType<typeof ptr>;

  constructor(namespace: Namespace, destination: string, port: number) {
    this.#fd = inNamespace(namespace, () => libc.socket(AF_INET, SOCK_RAW, UDP));
    if (this.#fd < 0) throw new Error('Cannot open a raw socket: it needs root in the namespace');
    const memory = this.#memory;
    const base = ptr(memory);
    const vectors = packetsPerCall * packetBytes;
    const messages = vectors + packetsPerCall * 16;
    const target = messages + packetsPerCall * 64;
    new Uint8Array(memory.buffer).set(socketAddress(destination, 0), target);
    for (let i = 0; i < packetsPerCall; i++) {
      const packet = i * packetBytes;
      memory.setUint16(packet + 2, port);
      memory.setUint16(packet + 4, packetBytes);
      // bits/types/struct_iovec.h: base, length.
      memory.setBigUint64(vectors + i * 16, BigInt(base + packet), true);
      memory.setBigUint64(vectors + i * 16 + 8, BigInt(packetBytes), true);
      // bits/socket.h struct msghdr: name, its length, vectors, their number; struct mmsghdr is 64 bytes.
      memory.setBigUint64(messages + i * 64, BigInt(base + target), true);
      memory.setUint32(messages + i * 64 + 8, 16, true);
      memory.setBigUint64(messages + i * 64 + 16, BigInt(base + vectors + i * 16), true);
      memory.setBigUint64(messages + i * 64 + 24, 1n, true);
    }
    this.#messages = ptr(memory, messages);
  }

  /** Sends one call's packets from the ports `first`, `first` + 1, …; gives the microseconds for one packet. */
  send(first: number): number {
    for (let i = 0; i < packetsPerCall; i++) this.#memory.setUint16(i * packetBytes, first + i);
    const startedAt = threadTime();
    const sent = libc.sendmmsg(this.#fd, this.#messages, packetsPerCall, 0);
    const elapsed = threadTime() - startedAt;
    if (sent !== packetsPerCall) throw new Error(`Cannot send: ${sent} of ${packetsPerCall} packets were taken`);
    return elapsed / 1000 / packetsPerCall;
  }

  close(): void {
    libc.close(this.#fd);
  }
}

/** linux/time.h: time that this thread has run, in user and kernel; what others run meanwhile does not count. */
const CLOCK_THREAD_CPUTIME_ID = 3;
const now = new BigInt64Array(new ArrayBuffer(16));
const nowPointer = ptr(now);

/** Nanoseconds that this thread has run. */
function threadTime(): number {
  libc.clock_gettime(CLOCK_THREAD_CPUTIME_ID, nowPointer);
  return Number(now[0]) * 1e9 + Number(now[1]);
}

/** A UDP socket that nobody reads, so that packets end there instead of being answered with ICMP. Gives what closes it. */
export function swallow(namespace: Namespace, address: string, port: number): () => void {
  const fd = inNamespace(namespace, () => libc.socket(AF_INET, SOCK_DGRAM, 0));
  const own = socketAddress(address, port);
  if (libc.bind(fd, ptr(own), own.length) < 0) throw new Error(`Cannot listen on ${address} port ${port}`);
  return () => void libc.close(fd);
}

function socketAddress(address: string, port: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  const bytes = new Uint8Array(view.buffer);
  bytes.set(addrToBytes(addr(address)), 4);
  return bytes;
}
