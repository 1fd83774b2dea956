import type { LoggedPacket, PacketLogHandler, Subscription } from '../kernel.ts';
import { Attributes } from '../netlink/attributes.ts';
import { type NetlinkMessage, splitMessages } from '../netlink/message.ts';
import { NETLINK_NETFILTER, NetlinkSocket } from '../netlink/socket.ts';
import { MessageWriter } from '../netlink/writer.ts';
import { AF_UNSPEC } from './constants.ts';
import { listenOn } from './event-thread.ts';
import { assertHome } from './namespace.ts';

// linux/netfilter/nfnetlink.h: the message type is subsystem << 8 | message
const NFNL_SUBSYS_ULOG = 4;
// linux/netfilter/nfnetlink_log.h
const NFULNL_MSG_PACKET = (NFNL_SUBSYS_ULOG << 8) | 0;
const NFULNL_MSG_CONFIG = (NFNL_SUBSYS_ULOG << 8) | 1;
const NFULA_CFG_CMD = 1;
const NFULA_CFG_MODE = 2;
const NFULA_CFG_TIMEOUT = 4;
const NFULA_CFG_QTHRESH = 5;
const NFULNL_CFG_CMD_BIND = 1;
const NFULNL_COPY_PACKET = 2;
const NFULA_IFINDEX_INDEV = 4;
const NFULA_IFINDEX_OUTDEV = 5;
const NFULA_PAYLOAD = 9;
const NFULA_PREFIX = 10;
/** linux/netfilter/nfnetlink.h struct nfgenmsg: u8 family, u8 version, u16 resource id. */
const NFGENMSG_LENGTH = 4;

/** Of every packet so many bytes are given: the headers that a line tells of. */
const SNAP_LENGTH = 128;
/** The kernel sends what it has when there are so many packets, or after so many hundredths of a second. */
const MOST_AT_ONCE = 32;
const LONGEST_WAIT = 10;

/**
 * Delivers the packets that rules send to an nflog group of the namespace that `inside` opens the socket in. Throws KernelError
 * EPERM while another socket has the group.
 */
export function logPackets(
  inside: (open: () => NetlinkSocket) => NetlinkSocket,
  group: number,
  handler: PacketLogHandler,
): Subscription {
  assertHome('log packets'); // the event thread would be born in there, and stay
  const socket = inside(() => new NetlinkSocket(NETLINK_NETFILTER, { receiveBuffer: 1 << 20 }));
  try {
    socket.request(encodeBind(group), `bind nflog group ${group}`);
  } catch (error) {
    socket.close();
    throw error;
  }
  return listenOn(socket, ({ datagrams, overrun }) => {
    for (const datagram of datagrams) {
      for (const message of splitMessages(datagram)) {
        const packet = decodePacket(message);
        if (packet !== undefined) handler.packet(packet);
      }
    }
    if (overrun) handler.lost();
  });
}

function encodeBind(group: number): Uint8Array {
  const writer = new MessageWriter();
  writer.message(NFULNL_MSG_CONFIG, 0, () => {
    writer.u8(AF_UNSPEC).u8(0).u16be(group);
    // struct nfulnl_msg_config_cmd: u8 command
    writer.attr(NFULA_CFG_CMD, Uint8Array.of(NFULNL_CFG_CMD_BIND));
    // struct nfulnl_msg_config_mode: be32 bytes to copy, u8 mode, u8 padding
    writer.attr(NFULA_CFG_MODE, Uint8Array.of(0, 0, 0, SNAP_LENGTH, NFULNL_COPY_PACKET, 0));
    writer.attrU32be(NFULA_CFG_TIMEOUT, LONGEST_WAIT);
    writer.attrU32be(NFULA_CFG_QTHRESH, MOST_AT_ONCE);
  });
  return writer.bytes();
}

function decodePacket({ type, payload }: NetlinkMessage): LoggedPacket | undefined {
  if (type !== NFULNL_MSG_PACKET) return undefined;
  const attributes = new Attributes(payload.subarray(NFGENMSG_LENGTH));
  return {
    prefix: attributes.string(NFULA_PREFIX) ?? '',
    inInterface: attributes.u32be(NFULA_IFINDEX_INDEV),
    outInterface: attributes.u32be(NFULA_IFINDEX_OUTDEV),
    bytes: attributes.bytes(NFULA_PAYLOAD) ?? new Uint8Array(),
  };
}
