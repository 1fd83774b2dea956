import type { Address, EventGroup, KernelEvent, Link, Neighbour, Route, Subscription } from '../kernel.ts';
import { type NetlinkMessage, splitMessages } from '../netlink/message.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts';
import * as nft from '../nftables/constants.ts';
import { decodeTableName } from '../nftables/decode.ts';
import { decodeAddress } from './address-codec.ts';
import * as c from './constants.ts';
import { listenOn } from './event-thread.ts';
import { decodeLink } from './link-codec.ts';
import { assertHome } from './namespace.ts';
import { decodeNeighbour } from './neighbour-codec.ts';
import { decodeRoute } from './route-codec.ts';

const groupNumbers: Readonly<Record<EventGroup, readonly number[]>> = {
  link: [c.RTNLGRP_LINK],
  address: [c.RTNLGRP_IPV4_IFADDR, c.RTNLGRP_IPV6_IFADDR],
  route: [c.RTNLGRP_IPV4_ROUTE, c.RTNLGRP_IPV6_ROUTE],
  neighbour: [c.RTNLGRP_NEIGH],
  table: [],
};

/** linux/netfilter/nfnetlink.h */
const NFNLGRP_NFTABLES = 7;

/**
 * Delivers the changes of the network namespace that `open` makes its socket in, on the event loop. A subscription does not
 * keep the process alive.
 */
export function subscribe(
  inside: (open: () => NetlinkSocket) => NetlinkSocket,
  groups: readonly EventGroup[],
  on: (event: KernelEvent) => void,
  isOwn: (port: number) => boolean,
): Subscription {
  assertHome('subscribe'); // the event thread would be born in there, and stay
  const numbers = groups.flatMap(group => groupNumbers[group]);
  let open = true;
  const listen = (
    family: number,
    joined: readonly number[],
    decode: (message: NetlinkMessage) => KernelEvent | undefined,
  ) =>
    listenOn(
      inside(() => new NetlinkSocket(family, { groups: joined, receiveBuffer: 8 << 20 })),
      ({ datagrams, overrun }) => {
        for (const datagram of datagrams) {
          for (const message of splitMessages(datagram)) {
            const event = decode(message);
            if (event !== undefined && open) on(event);
          }
        }
        if (overrun && open) on({ kind: 'overrun' });
      },
    );
  const listening = [
    ...(numbers.length > 0 ? [listen(NETLINK_ROUTE, numbers, decodeEvent)] : []),
    ...(groups.includes('table')
      ? [listen(NETLINK_NETFILTER, [NFNLGRP_NFTABLES], message => decodeTableChange(message, isOwn))]
      : []),
  ];
  return {
    close() {
      open = false;
      for (const each of listening) each.close();
    },
  };
}

/** undefined for what our own handle did, and for the notice of a new generation that closes each change. */
function decodeTableChange(message: NetlinkMessage, isOwn: (port: number) => boolean): KernelEvent | undefined {
  const { type, port } = message;
  if (type >> 8 !== nft.NFNL_SUBSYS_NFTABLES || (type & 0xff) === nft.NFT_MSG_NEWGEN || isOwn(port)) return undefined;
  const table = decodeTableName(message);
  return table && { kind: 'table', table };
}

/** undefined for what is none of our kinds: other families, cloned routes, the kernel's own neighbour entries. */
function decodeEvent({ type, payload }: NetlinkMessage): KernelEvent | undefined {
  switch (type) {
    case c.RTM_NEWLINK:
    case c.RTM_DELLINK:
      return linkEvent(type === c.RTM_NEWLINK ? 'new' : 'deleted', payload);
    case c.RTM_NEWADDR:
    case c.RTM_DELADDR:
      return addressEvent(type === c.RTM_NEWADDR ? 'new' : 'deleted', decodeAddress(payload));
    case c.RTM_NEWROUTE:
    case c.RTM_DELROUTE:
      return routeEvent(type === c.RTM_NEWROUTE ? 'new' : 'deleted', decodeRoute(payload));
    case c.RTM_NEWNEIGH:
    case c.RTM_DELNEIGH:
      return neighbourEvent(type === c.RTM_NEWNEIGH ? 'new' : 'deleted', decodeNeighbour(payload));
    default:
      return undefined;
  }
}

type Change = 'new' | 'deleted';

function linkEvent(change: Change, payload: Uint8Array): KernelEvent | undefined {
  // A port that leaves its bridge is told as RTM_DELLINK of family AF_BRIDGE; the link itself lives on.
  if (payload[0] === c.AF_BRIDGE) return undefined;
  const link: Link = decodeLink(payload);
  return { kind: 'link', change, link };
}

function addressEvent(change: Change, address: Address | undefined): KernelEvent | undefined {
  return address && { kind: 'address', change, address };
}

function routeEvent(change: Change, route: Route | undefined): KernelEvent | undefined {
  return route && { kind: 'route', change, route };
}

function neighbourEvent(change: Change, neighbour: Neighbour | undefined): KernelEvent | undefined {
  return neighbour && { kind: 'neighbour', change, neighbour };
}
