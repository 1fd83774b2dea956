export { Attributes, eachAttribute, NLA_F_NESTED, NLA_HDRLEN } from './attributes.ts';
export * from './message.ts';
export {
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  type NetlinkAnswer,
  NetlinkSocket,
  type NetlinkSocketOptions,
  STEP_BYTES,
} from './socket.ts';
export { MessageWriter } from './writer.ts';
