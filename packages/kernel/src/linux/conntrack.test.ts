import { expect, test } from 'bun:test';
import { type Addr, addr, addrToBytes, printAddr } from '@calico/ip';
import { NLM_F_CREATE } from '../netlink/message.ts';
import { NETLINK_NETFILTER, NetlinkSocket } from '../netlink/socket.ts';
import { MessageWriter } from '../netlink/writer.ts';
import { inNamespace } from './index.ts';
import { freshNamespaces, privileged } from './testing.ts';

/** IPCTNL_MSG_CT_NEW: an UDP connection as if it had been seen; the reply may come from elsewhere, as after DNAT. */
function track(socket: NetlinkSocket, source: Addr, destination: Addr, port: number, replySource = destination): void {
  const w = new MessageWriter();
  const tuple = (type: number, from: Addr, to: Addr, fromPort: number, toPort: number) =>
    w.nest(type, () => {
      w.nest(1, () => {
        w.attr(from.family === 4 ? 1 : 3, addrToBytes(from));
        w.attr(from.family === 4 ? 2 : 4, addrToBytes(to));
      });
      w.nest(2, () => w.attrU8(1, 17).attrU16be(2, fromPort).attrU16be(3, toPort));
    });
  w.message((1 << 8) | 0, NLM_F_CREATE, () => {
    w.u8(source.family === 4 ? 2 : 10).zeros(3);
    tuple(1, source, destination, port, 53);
    tuple(2, replySource, source, 53, port);
    w.attrU32be(7, 100); // CTA_TIMEOUT, seconds
  });
  socket.request(w.bytes(), 'create conntrack entry');
}

privileged(import.meta.path, () => {
  test('among thousands of connections the few of an address are found', () => {
    const setting = freshNamespaces();
    const socket = inNamespace(setting.namespace, () => new NetlinkSocket(NETLINK_NETFILTER));
    try {
      const [pod, peer] = [addr('10.65.0.1'), addr('10.65.0.2')];
      for (let port = 1; port <= 4200; port++) track(socket, peer, addr('10.65.0.3'), port);
      track(socket, pod, peer, 1000);
      track(socket, peer, pod, 1001);
      expect(setting.kernel.conntrack.deleteByAddresses([pod])).toBe(2);
      expect(setting.kernel.conntrack.list()).toHaveLength(4200);
    } finally {
      socket.close();
      setting.close();
    }
  });

  test('connections are listed and deleted by original or reply source, in both families', () => {
    const setting = freshNamespaces();
    const socket = inNamespace(setting.namespace, () => new NetlinkSocket(NETLINK_NETFILTER));
    try {
      const { conntrack } = setting.kernel;
      for (const [pod, peer, service] of [
        ['10.65.0.1', '10.65.0.2', '10.96.0.10'],
        ['fd00::1', 'fd00::2', 'fd00:96::10'],
      ].map(texts => texts.map(addr))) {
        if (!pod || !peer || !service) throw new Error('Cannot run: three addresses are needed');
        track(socket, pod, peer, 1000);
        track(socket, peer, service, 1001, pod); // to the service, answered by the pod
        track(socket, peer, service, 1002);
        expect(conntrack.list()).toHaveLength(3);
        expect(conntrack.list(pod)).toHaveLength(2);
        expect(conntrack.list(pod)).toContainEqual({
          original: { source: pod, destination: peer, protocol: 17, sourcePort: 1000, destinationPort: 53 },
          reply: { source: peer, destination: pod, protocol: 17, sourcePort: 53, destinationPort: 1000 },
        });
        expect(conntrack.deleteByAddresses([pod])).toBe(2);
        expect(conntrack.list().map(entry => printAddr(entry.original.source))).toEqual([printAddr(peer)]);
        conntrack.flush();
        expect(conntrack.list()).toEqual([]);
      }
    } finally {
      socket.close();
      setting.close();
    }
  });

  test('connections are listed in steps, given a fixed timeout that stays, and forgotten one by one', () => {
    const setting = freshNamespaces();
    const socket = inNamespace(setting.namespace, () => new NetlinkSocket(NETLINK_NETFILTER));
    try {
      const { conntrack } = setting.kernel;
      const [pod, peer, pod6, peer6] = [addr('10.65.0.1'), addr('10.65.0.2'), addr('fd00::1'), addr('fd00::2')];
      for (let port = 1; port <= 2000; port++) track(socket, peer, addr('10.65.0.3'), port);
      track(socket, pod, peer, 1000);
      track(socket, peer, pod, 1001);
      track(socket, peer6, pod6, 1002);
      let steps = 0;
      const listed = () => {
        const listing = conntrack.listInSteps([pod, pod6]);
        for (steps = 0; ; steps++) {
          const { done, value } = listing.next();
          if (done) return value;
        }
      };
      const at = (port: number) => listed().filter(({ original }) => original.sourcePort === port);
      expect(listed().map(({ fixedTimeout }) => fixedTimeout)).toEqual([false, false, false]);
      expect(steps).toBeGreaterThan(2);
      expect(conntrack.fixTimeout([...at(1000), ...at(1002)], 600)).toBe(2);
      expect([1000, 1001, 1002].map(port => at(port)[0]?.fixedTimeout)).toEqual([true, false, true]);
      const gone = at(1001);
      expect(conntrack.delete(gone)).toBe(1);
      expect([conntrack.delete(gone), conntrack.fixTimeout(gone, 1)]).toEqual([0, 0]);
      expect(listed()).toHaveLength(2);
      expect(conntrack.list()).toHaveLength(2002);
    } finally {
      socket.close();
      setting.close();
    }
  });
});
