import { Worker } from 'node:worker_threads';
import type { Address, EventGroup, KernelEvent, Link, Neighbour, Route, Subscription } from '../kernel.ts';
import { checked, libc, retried } from '../netlink/libc.ts';
import { type NetlinkMessage, splitMessages } from '../netlink/message.ts';
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts';
import { decodeAddress } from './address-codec.ts';
import * as c from './constants.ts';
import workerPath from './event-worker.ts' with { type: 'file' };
import { decodeLink } from './link-codec.ts';
import { assertHome } from './namespace.ts';
import { decodeNeighbour } from './neighbour-codec.ts';
import { decodeRoute } from './route-codec.ts';

const groupNumbers: Readonly<Record<EventGroup, readonly number[]>> = {
  link: [c.RTNLGRP_LINK],
  address: [c.RTNLGRP_IPV4_IFADDR, c.RTNLGRP_IPV6_IFADDR],
  route: [c.RTNLGRP_IPV4_ROUTE, c.RTNLGRP_IPV6_ROUTE],
  neighbour: [c.RTNLGRP_NEIGH],
};

const ADD = 1;
const REMOVE = 2;
const O_CLOEXEC = 0o2000000;

/** What event-worker.ts posts. */
interface Batch {
  readonly id: number;
  readonly datagrams: readonly Uint8Array[];
  readonly overrun: boolean;
}

/** The one waiting thread of this process, alive while there are subscriptions. */
class EventThread {
  readonly #worker: Worker;
  readonly #control: number;
  readonly #unhandled = new Int32Array(new SharedArrayBuffer(4));
  readonly #handlers = new Map<number, (batch: Batch) => void>();
  #lastId = 0;

  constructor() {
    const ends = new Int32Array(2);
    checked(libc.pipe2(ends, O_CLOEXEC), 'open pipe');
    const [readEnd = -1, writeEnd = -1] = ends;
    this.#control = writeEnd;
    this.#worker = new Worker(workerPath, { workerData: { control: readEnd, unhandled: this.#unhandled.buffer } });
    this.#worker.on('message', (batch: Batch) => {
      Atomics.sub(this.#unhandled, 0, 1);
      Atomics.notify(this.#unhandled, 0);
      this.#handlers.get(batch.id)?.(batch);
    });
    this.#worker.on('error', error => {
      throw error;
    });
    this.#worker.unref();
  }

  get idle(): boolean {
    return this.#handlers.size === 0;
  }

  add(fd: number, handler: (batch: Batch) => void): number {
    const id = ++this.#lastId;
    this.#handlers.set(id, handler);
    this.#command(ADD, id, fd);
    return id;
  }

  remove(id: number): void {
    this.#handlers.delete(id);
    this.#command(REMOVE, id, -1);
  }

  /** The thread sees the end of the pipe and ends by itself. */
  stop(): void {
    libc.close(this.#control);
  }

  #command(command: number, id: number, fd: number): void {
    const bytes = new Int32Array([command, id, fd]); // far below PIPE_BUF: written whole or not at all
    retried(() => libc.write(this.#control, bytes, bytes.byteLength), 'write to event thread');
  }
}

let thread: EventThread | undefined;

/**
 * Delivers the changes of the network namespace that `open` makes its socket in, on the event loop. A subscription does not
 * keep the process alive.
 */
export function subscribe(
  inside: (open: () => NetlinkSocket) => NetlinkSocket,
  groups: readonly EventGroup[],
  on: (event: KernelEvent) => void,
): Subscription {
  assertHome('subscribe'); // the event thread would be born in there, and stay
  const numbers = groups.flatMap(group => groupNumbers[group]);
  const socket = inside(() => new NetlinkSocket(NETLINK_ROUTE, { groups: numbers, receiveBuffer: 8 << 20 }));
  thread ??= new EventThread();
  const id = thread.add(socket.release(), ({ datagrams, overrun }) => {
    for (const datagram of datagrams) {
      for (const message of splitMessages(datagram)) {
        const event = decodeEvent(message);
        if (event !== undefined && open) on(event);
      }
    }
    if (overrun && open) on({ kind: 'overrun' });
  });
  let open = true;
  return {
    close() {
      if (!open) return;
      open = false;
      thread?.remove(id);
      if (thread?.idle) {
        thread.stop();
        thread = undefined;
      }
    },
  };
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
