/**
 * The netlink message: a 16-byte header, then a family's own fixed header, then attributes. Everything here is in the
 * host's byte order unless a name ends in `be` (network order); pure, no socket in sight.
 */

/** Whether this host is little-endian; netlink headers and most attributes are in host order. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** linux/netlink.h NLMSG_ALIGN and NLA_ALIGN: lengths are rounded up to 4 bytes. */
export function align4(length: number): number {
  return (length + 3) & ~3;
}

/** linux/netlink.h NLMSG_HDRLEN: u32 length, u16 type, u16 flags, u32 sequence, u32 port. */
export const NLMSG_HDRLEN = 16;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x01;
export const NLM_F_ACK = 0x04;
/** The dump was not consistent: the table changed while it was read. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** On NLMSG_ERROR: the request's payload was left out of the answer. */
export const NLM_F_CAPPED = 0x100;
/** On NLMSG_ERROR and NLMSG_DONE: extended-ack attributes follow. */
export const NLM_F_ACK_TLVS = 0x200;

/** One received message; `payload` is what follows the nlmsghdr. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Whose request it answers or tells of; 0 for none. */
  readonly port: number;
  readonly payload: Uint8Array;
}

/** A DataView over exactly the bytes given. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Splits one received datagram into its messages (linux/netlink.h NLMSG_OK, NLMSG_NEXT). The payloads are views of
 * `bytes`, not copies. A header whose length does not fit ends the walk: the kernel never sends one.
 */
export function splitMessages(bytes: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = viewOf(bytes);
  let at = 0;
  while (at + NLMSG_HDRLEN <= bytes.length) {
    const length = view.getUint32(at, LITTLE_ENDIAN);
    if (length < NLMSG_HDRLEN || at + length > bytes.length) break;
    messages.push({
      type: view.getUint16(at + 4, LITTLE_ENDIAN),
      flags: view.getUint16(at + 6, LITTLE_ENDIAN),
      sequence: view.getUint32(at + 8, LITTLE_ENDIAN),
      port: view.getUint32(at + 12, LITTLE_ENDIAN),
      payload: bytes.subarray(at + NLMSG_HDRLEN, at + length),
    });
    at += align4(length);
  }
  return messages;
}
