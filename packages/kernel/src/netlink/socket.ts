import { finished } from '@calico/reconcile';
import { type ExtendedAck, KernelError } from '../error.ts';
import { Attributes } from './attributes.ts';
import { checked, EAGAIN, EINTR, ETIMEDOUT, errno, libc, retried } from './libc.ts';
import {
  align4,
  LITTLE_ENDIAN,
  type NetlinkMessage,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  splitMessages,
  viewOf,
} from './message.ts';

// linux/netlink.h: protocols
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

// sys/socket.h and linux/netlink.h
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;

// linux/netlink.h NLMSGERR_ATTR_*
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

/** The kernel's dumps come in pieces of up to 32 kB, where the receiver takes as much. */
const RECEIVE_BYTES = 256 * 1024;
/**
 * For dumps in steps: some hundred objects. Not less than the kernel's largest piece: for each piece of a set it walks past all
 * elements before it, so that smaller ones take it four times as long altogether (11 s for 250,000 elements, with these 4 s).
 */
export const STEP_BYTES = 32 * 1024;
/** A dump that is torn by changes this many times in a row is given up with EINTR. */
const DUMP_ATTEMPTS = 20;

// One buffer for all sockets of this thread: every receive is synchronous and copies what it keeps.
let receiveBuffer: Uint8Array | undefined;

export interface NetlinkSocketOptions {
  /** Multicast groups to join (linux/rtnetlink.h enum rtnetlink_groups, numbers not bits). */
  readonly groups?: readonly number[];
  /** Wanted socket buffers in bytes, cut by the kernel to wmem_max/rmem_max where we lack CAP_NET_ADMIN in the first user namespace. */
  readonly sendBuffer?: number;
  readonly receiveBuffer?: number;
  /**
   * What one received datagram may be at most, in bytes: the kernel's pieces of a dump are not larger, so that each takes
   * little time. Default 256 kB, of which dumps use 32.
   */
  readonly receiveBytes?: number;
  /** Milliseconds to wait for an answer before ETIMEDOUT. */
  readonly receiveTimeout?: number;
}

/** One answer to one of the messages of {@link NetlinkSocket.requestMany}. */
export interface NetlinkAnswer {
  /** Position of the answered message in the buffer sent, from 0. */
  readonly index: number;
  /** 0 for an acknowledgement. */
  readonly errno: number;
  readonly extack: ExtendedAck;
}

/**
 * A netlink socket used synchronously: the kernel handles a request while it is sent, so its answer is there at once.
 * It stays in the network namespace in which it was opened. Bound to a port of its own, so several may be open.
 */
export class NetlinkSocket {
  readonly fd: number;
  readonly #receiveBytes: number;
  #sequence = 0;
  #open = true;

  /** `family` is NETLINK_ROUTE or NETLINK_NETFILTER. Throws KernelError. */
  constructor(family: number, options: NetlinkSocketOptions = {}) {
    this.#receiveBytes = options.receiveBytes ?? RECEIVE_BYTES;
    this.fd = checked(libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, family), 'open netlink socket');
    try {
      // struct sockaddr_nl: u16 family, u16 padding, u32 port (0: the kernel chooses), u32 groups
      const address = new Uint8Array(12);
      viewOf(address).setUint16(0, AF_NETLINK, LITTLE_ENDIAN);
      checked(libc.bind(this.fd, address, address.length), 'bind netlink socket');
      this.#setOption(SOL_NETLINK, NETLINK_CAP_ACK, 1);
      this.#setOption(SOL_NETLINK, NETLINK_EXT_ACK, 1);
      if (family === NETLINK_ROUTE) this.#setOption(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
      this.#setBuffer(SO_SNDBUFFORCE, SO_SNDBUF, options.sendBuffer ?? 1 << 20);
      this.#setBuffer(SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBuffer ?? 4 << 20);
      this.#setReceiveTimeout(options.receiveTimeout ?? 10_000);
      for (const group of options.groups ?? []) this.#setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The port number that the kernel gave to this socket (nlmsg_pid, nl_pid): the owner id of its nf_tables tables. */
  port(): number {
    const address = new Uint8Array(12);
    const length = new Uint32Array([address.length]);
    checked(libc.getsockname(this.fd, address, length), 'name netlink socket');
    return viewOf(address).getUint32(4, LITTLE_ENDIAN);
  }

  /**
   * Sends one message (NLM_F_REQUEST and NLM_F_ACK are added) and waits for its acknowledgement. Gives the replies that
   * came before it: empty for a change, the object for a get. Throws KernelError with the kernel's explanation.
   */
  request(message: Uint8Array, op: string): NetlinkMessage[] {
    const sequence = this.#stamp(message, NLM_F_REQUEST | NLM_F_ACK);
    this.#send(message, op);
    const replies: NetlinkMessage[] = [];
    for (;;) {
      for (const reply of this.#receive(op, 0)) {
        if (reply.sequence !== sequence) continue;
        if (reply.type !== NLMSG_ERROR) {
          replies.push(reply);
          continue;
        }
        throwIfRefused(reply, op);
        return replies;
      }
    }
  }

  /**
   * Sends one get message (NLM_F_REQUEST and NLM_F_DUMP are added) and reads the whole answer. A dump that was torn by a
   * change (NLM_F_DUMP_INTR) is read again; after 20 torn ones KernelError EINTR.
   */
  dump(message: Uint8Array, op: string): NetlinkMessage[] {
    return finished(this.dumpInSteps(message, op, reply => reply));
  }

  /**
   * The same, one datagram of up to 32 kB at a time, decoded; undefined leaves a message out. The socket is of no other use
   * until the end: a socket has one dump at a time.
   */
  *dumpInSteps<T>(
    message: Uint8Array,
    op: string,
    decode: (reply: NetlinkMessage) => T | undefined,
  ): Generator<void, T[]> {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const sequence = this.#stamp(message, NLM_F_REQUEST | NLM_F_DUMP);
      this.#send(message, op);
      const decoded: T[] = [];
      let torn = false;
      let ended = false;
      while (!ended) {
        for (const reply of this.#receive(op, 0)) {
          if (reply.sequence !== sequence) continue;
          torn ||= (reply.flags & NLM_F_DUMP_INTR) !== 0;
          if (reply.type === NLMSG_ERROR) throwIfRefused(reply, op);
          if (reply.type === NLMSG_DONE || reply.type === NLMSG_ERROR) {
            const code = reply.payload.length >= 4 ? -viewOf(reply.payload).getInt32(0, LITTLE_ENDIAN) : 0;
            if (code > 0) throw new KernelError(op, code, doneExtack(reply).message);
            ended = true;
            break;
          }
          const one = decode(reply);
          if (one !== undefined) decoded.push(one);
        }
        if (!ended) yield;
      }
      if (!torn) return decoded;
    }
    throw new KernelError(op, EINTR, `table changed during each of ${DUMP_ATTEMPTS} dumps`);
  }

  /**
   * Sends several messages as one buffer, as nf_tables batches need it (their kernel side takes BEGIN..END from one send
   * only), and reads all that the kernel answered while it took them. Flags are the caller's: NLM_F_REQUEST on all,
   * NLM_F_ACK sparingly, for each acknowledgement takes about 1 kB of the receive buffer. A refusal is answered with or
   * without NLM_F_ACK; there may be several. Nothing is thrown for them; KernelError only if the send itself fails.
   */
  requestMany(messages: Uint8Array, op: string): { answers: NetlinkAnswer[]; replies: NetlinkMessage[] } {
    const first = this.#stamp(messages, 0);
    this.#send(messages, op);
    const answers: NetlinkAnswer[] = [];
    const replies: NetlinkMessage[] = [];
    for (;;) {
      const received = this.#receive(op, MSG_DONTWAIT);
      if (received.length === 0) return { answers, replies };
      for (const reply of received) {
        const index = (reply.sequence - first) >>> 0;
        if (index > this.#sequence - first) continue;
        if (reply.type === NLMSG_ERROR) answers.push({ index, ...readError(reply) });
        else replies.push(reply);
      }
    }
  }

  /** Gives the descriptor away: who takes it closes it. This object is of no use afterwards. */
  release(): number {
    this.#open = false;
    return this.fd;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    libc.close(this.fd);
  }

  /** Writes consecutive sequence numbers into the headers, and adds `flags`. Gives the first number. */
  #stamp(messages: Uint8Array, flags: number): number {
    const view = viewOf(messages);
    if (this.#sequence > 0xf0000000) this.#sequence = 0;
    const first = this.#sequence + 1;
    for (let at = 0; at + NLMSG_HDRLEN <= messages.length; ) {
      const length = view.getUint32(at, LITTLE_ENDIAN);
      if (length < NLMSG_HDRLEN || at + length > messages.length) {
        throw new RangeError(
          `Cannot send netlink message: its length at byte ${at} is ${length}; allowed: 16 to the rest`,
        );
      }
      if (flags !== 0) view.setUint16(at + 6, view.getUint16(at + 6, LITTLE_ENDIAN) | flags, LITTLE_ENDIAN);
      this.#sequence += 1;
      view.setUint32(at + 8, this.#sequence, LITTLE_ENDIAN);
      at += align4(length);
    }
    return first;
  }

  #send(bytes: Uint8Array, op: string): void {
    retried(() => libc.send(this.fd, bytes, bytes.length, 0), op);
  }

  /** One datagram, split. With MSG_DONTWAIT empty where nothing is queued; else waits up to the receive timeout. */
  #receive(op: string, flags: number): NetlinkMessage[] {
    receiveBuffer ??= new Uint8Array(RECEIVE_BYTES);
    for (;;) {
      const length = libc.recv(this.fd, receiveBuffer, this.#receiveBytes, MSG_TRUNC | flags);
      if (length > this.#receiveBytes) {
        throw new KernelError(op, 90, `an answer of ${length} bytes exceeds the buffer of ${this.#receiveBytes}`);
      }
      if (length >= 0) return splitMessages(receiveBuffer.slice(0, length));
      const code = errno();
      if (code === EINTR) continue;
      if (code === EAGAIN && flags !== 0) return [];
      throw new KernelError(op, code === EAGAIN ? ETIMEDOUT : code);
    }
  }

  #setOption(level: number, option: number, value: number): void {
    const bytes = new Int32Array([value]);
    checked(libc.setsockopt(this.fd, level, option, bytes, 4), `set netlink socket option ${option}`);
  }

  #setBuffer(force: number, plain: number, bytes: number): void {
    const value = new Int32Array([bytes]);
    if (libc.setsockopt(this.fd, SOL_SOCKET, force, value, 4) < 0) this.#setOption(SOL_SOCKET, plain, bytes);
  }

  #setReceiveTimeout(milliseconds: number): void {
    // struct timeval: i64 seconds, i64 microseconds
    const value = new BigInt64Array([BigInt(Math.trunc(milliseconds / 1000)), BigInt((milliseconds % 1000) * 1000)]);
    checked(libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVTIMEO, value, 16), 'set netlink receive timeout');
  }
}

/** linux/netlink.h struct nlmsgerr: i32 negative errno, the request's header (and payload unless capped), attributes. */
function readError(message: NetlinkMessage): { errno: number; extack: ExtendedAck } {
  if (message.payload.length < 4 + NLMSG_HDRLEN) return { errno: 0, extack: {} };
  const view = viewOf(message.payload);
  const errno = -view.getInt32(0, LITTLE_ENDIAN) || 0;
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return { errno, extack: {} };
  const echoed = (message.flags & NLM_F_CAPPED) !== 0 ? NLMSG_HDRLEN : align4(view.getUint32(4, LITTLE_ENDIAN));
  return { errno, extack: readExtack(message.payload.subarray(4 + echoed)) };
}

function doneExtack(message: NetlinkMessage): ExtendedAck {
  return (message.flags & NLM_F_ACK_TLVS) === 0 ? {} : readExtack(message.payload.subarray(4));
}

function readExtack(bytes: Uint8Array): ExtendedAck {
  const attributes = new Attributes(bytes);
  const message = attributes.string(NLMSGERR_ATTR_MSG);
  const offset = attributes.u32(NLMSGERR_ATTR_OFFS);
  return { ...(message !== undefined && { message }), ...(offset !== undefined && { offset }) };
}

function throwIfRefused(message: NetlinkMessage, op: string): void {
  const { errno, extack } = readError(message);
  if (errno !== 0) throw new KernelError(op, errno, extack.message);
}
