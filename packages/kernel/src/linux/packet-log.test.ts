import { expect, test } from 'bun:test';
import type { LoggedPacket, Namespace } from '../kernel.ts';
import type { Op } from '../nftables/types.ts';
import { inNamespace } from './index.ts';
import { freshNamespaces, privileged } from './testing.ts';

const table = { family: 'inet', name: 'log-test' } as const;
const group = 3;

/** A rule that logs every UDP packet which the namespace sends. */
const rules: readonly Op[] = [
  { op: 'addTable' },
  { op: 'addChain', chain: { name: 'out', hook: 'output' } },
  {
    op: 'addRule',
    chain: 'out',
    exprs: [
      { kind: 'meta', key: 'l4proto', dreg: 1 },
      { kind: 'cmp', op: 'eq', sreg: 1, data: Uint8Array.of(17) },
      { kind: 'log', group, prefix: 'np/shop/web/ingress/0' },
    ],
  },
];

privileged(import.meta.path, () => {
  test('a packet that a log rule meets is delivered with its prefix, interface and headers', async () => {
    const setting = freshNamespaces();
    try {
      const { kernel, namespace } = setting;
      kernel.setLink(1, { up: true });
      kernel.nftables.transaction(table, rules);
      const heard = Promise.withResolvers<LoggedPacket>();
      const lost = () => heard.reject(new Error('packets were lost'));
      const subscription = kernel.logPackets(group, { packet: heard.resolve, lost });
      expect(() => kernel.logPackets(group, { packet: heard.resolve, lost })).toThrow('EPERM');
      sendDatagram(namespace, 4242);
      const { prefix, inInterface, outInterface, bytes } = await heard.promise;
      expect([prefix, inInterface, outInterface]).toEqual(['np/shop/web/ingress/0', undefined, 1]);
      // RFC 791 and RFC 768: protocol, destination address, destination port
      expect([bytes[9], bytes.slice(16, 20), (bytes[22] ?? 0) * 256 + (bytes[23] ?? 0)]).toEqual([
        17,
        Uint8Array.of(127, 0, 0, 1),
        4242,
      ]);
      subscription.close();
    } finally {
      setting.close();
    }
  });

  test('a group that was given up can be had again', async () => {
    const setting = freshNamespaces();
    try {
      const handler = { packet: () => undefined, lost: () => undefined };
      setting.kernel.logPackets(group, handler).close();
      // The event thread closes the socket a moment after it is told to.
      for (let tries = 0; ; tries++) {
        try {
          setting.kernel.logPackets(group, handler).close();
          break;
        } catch (error) {
          if (tries > 500) throw error;
          await Bun.sleep(10);
        }
      }
    } finally {
      setting.close();
    }
  });
});

function sendDatagram(namespace: Namespace, port: number): void {
  const { exitCode } = inNamespace(namespace, () =>
    Bun.spawnSync(['bash', '-c', `echo hello > /dev/udp/127.0.0.1/${port}`]),
  );
  expect(exitCode).toBe(0);
}
