import { expect, test } from 'bun:test';
import { KernelError } from '../error.ts';
import { NLM_F_ACK, NLM_F_REQUEST } from './message.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './socket.ts';
import { MessageWriter } from './writer.ts';

const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

/** A get (which anybody may send) of the link with this index; 1 is loopback. */
function getLink(w: MessageWriter, index: number, flags = 0): void {
  w.message(RTM_GETLINK, flags, () => w.zeros(4).u32(index).zeros(8));
}

function withSocket(work: (socket: NetlinkSocket) => void): void {
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  try {
    work(socket);
  } finally {
    socket.close();
  }
}

test('a request gives its replies, a refused one the errno and what was asked', () =>
  withSocket(socket => {
    const good = new MessageWriter();
    getLink(good, 1);
    expect(socket.request(good.bytes(), 'get link 1')).toHaveLength(1);
    const bad = new MessageWriter();
    getLink(bad, 99_999);
    let caught: unknown;
    try {
      socket.request(bad.bytes(), 'get link 99999');
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(KernelError);
    expect(caught).toMatchObject({ code: 'ENODEV', errno: 19, op: 'get link 99999' });
  }));

test('a malformed request carries the explanation of the kernel', () =>
  withSocket(socket => {
    const w = new MessageWriter();
    w.message(RTM_GETLINK, 0, () => w.zeros(16).attrString(3, 'a'.repeat(40)));
    expect(() => socket.request(w.bytes(), 'get link')).toThrow('Attribute failed policy validation');
  }));

test('many messages in one send are answered each by position', () =>
  withSocket(socket => {
    const w = new MessageWriter();
    getLink(w, 1, NLM_F_REQUEST | NLM_F_ACK);
    getLink(w, 99_998, NLM_F_REQUEST);
    getLink(w, 1, NLM_F_REQUEST);
    getLink(w, 99_999, NLM_F_REQUEST);
    const { answers, replies } = socket.requestMany(w.bytes(), 'get links');
    expect(answers.map(({ index, errno }) => [index, errno])).toEqual([
      [0, 0],
      [1, 19],
      [3, 19],
    ]);
    expect(replies).toHaveLength(2);
  }));

test('two sockets have ports of their own, and a port does not change', () =>
  withSocket(one =>
    withSocket(two => {
      expect(one.port()).not.toBe(two.port());
      expect(one.port()).toBe(one.port());
    }),
  ));

test('a message with a wrong length is not sent', () =>
  withSocket(socket => {
    const w = new MessageWriter();
    w.message(RTM_DELLINK, 0, () => w.zeros(16));
    const torn = w.bytes().slice(0, 20);
    expect(() => socket.request(torn, 'delete link')).toThrow(RangeError);
  }));

test('a closed socket refuses', () => {
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  socket.close();
  socket.close();
  const w = new MessageWriter();
  getLink(w, 1);
  expect(() => socket.request(w.bytes(), 'get link 1')).toThrow(KernelError);
});
