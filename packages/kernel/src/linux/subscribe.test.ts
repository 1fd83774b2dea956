import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { cidr, nthAddr } from '@calico/ip';
import type { KernelEvent } from '../kernel.ts';
import { openKernel } from './open-kernel.ts';
import { freshNamespaces, privileged } from './testing.ts';

privileged(import.meta.path, () => {
  test('changes that come faster than we can take them end in an overrun, and later ones still arrive', async () => {
    const setting = freshNamespaces();
    try {
      const { kernel } = setting;
      const overrun = Promise.withResolvers<void>();
      const last = Promise.withResolvers<void>();
      let routes = 0;
      const subscription = kernel.subscribe(['route', 'link'], (event: KernelEvent) => {
        if (event.kind === 'route') routes++;
        if (event.kind === 'overrun') overrun.resolve();
        if (event.kind === 'link' && event.link.name === 'last') last.resolve();
      });
      const pods = cidr('10.0.0.0/8');
      const made = 80_000; // the thread takes 256 * 128 datagrams ahead of us, the socket about 8,000 more
      for (let i = 0; i < made / 2; i++) {
        const destination = { addr: nthAddr(pods, i), length: 32 };
        kernel.replaceRoute({ destination, table: 254, protocol: 80, scope: 'universe', type: 'blackhole' });
        kernel.deleteRoute({ destination, table: 254 });
      }
      await overrun.promise;
      expect(routes).toBeLessThan(made);
      kernel.createLink({ kind: 'bridge', name: 'last' });
      await last.promise;
      subscription.close();
    } finally {
      setting.close();
    }
  }, 20_000);

  test('descriptors of closed kernels and subscriptions are given back', async () => {
    const round = async () => {
      const setting = freshNamespaces();
      const heard = Promise.withResolvers<void>();
      setting.kernel.subscribe(['link'], () => heard.resolve()).close();
      setting.kernel.subscribe(['link'], () => heard.resolve());
      setting.kernel.conntrack.list();
      setting.kernel.createLink({ kind: 'bridge', name: 'br0' });
      await heard.promise;
      setting.close();
    };
    const open = () => readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 3; i++) await round();
    const before = open();
    for (let i = 0; i < 20; i++) await round();
    // The event thread closes its own a moment after it is told to: one round's may still be open.
    expect(open()).toBeLessThan(before + 10);
  }, 60_000);

  test('a change of a table is told when it is not our own', async () => {
    const setting = freshNamespaces();
    const { kernel, namespace } = setting;
    const foreign = openKernel({ namespace });
    try {
      const table = { family: 'inet', name: 'shared' } as const;
      const heard: KernelEvent[] = [];
      const deleted = Promise.withResolvers<void>();
      kernel.nftables.transaction(table, [{ op: 'addTable' }]);
      const subscription = kernel.subscribe(['table'], event => {
        heard.push(event);
        if (event.kind === 'table' && event.table.name === 'last') deleted.resolve();
      });
      kernel.nftables.transaction(table, [{ op: 'addChain', chain: { name: 'ours' } }]);
      foreign.nftables.transaction(table, [{ op: 'addChain', chain: { name: 'theirs' } }]);
      kernel.nftables.transaction(table, [{ op: 'addChain', chain: { name: 'ours-too' } }]);
      foreign.nftables.transaction({ ...table, name: 'last' }, [{ op: 'addTable' }]);
      await deleted.promise;
      subscription.close();
      expect(heard).toEqual([
        { kind: 'table', table },
        { kind: 'table', table: { ...table, name: 'last' } },
      ]);
      expect([kernel, foreign].map(each => each.nftables.isOwner(table))).toEqual([false, false]);
      const owned = { ...table, name: 'owned' };
      kernel.nftables.transaction(owned, [{ op: 'addTable', owner: true }]);
      expect([kernel, foreign].map(each => each.nftables.isOwner(owned))).toEqual([true, false]);
    } finally {
      foreign.close();
      setting.close();
    }
  });
});
