import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { addr, cidr, printAddr, printCidr } from '@calico/ip';
import { finished } from '@calico/reconcile';
import { routeContract } from './contract/routes.ts';
import { byText, createVeth, eventually, expectCode, FELIX, HOST_MAC, MAIN, own } from './contract/tools.ts';
import type { Address, Kernel, KernelEvent, Link, Namespace, Route } from './kernel.ts';

/** Two fresh, empty namespaces; `close` takes them away with all that is in them. */
export interface ContractSetting {
  readonly kernel: Kernel;
  readonly namespace: Namespace;
  readonly other: Kernel;
  readonly otherNamespace: Namespace;
  close(): void;
}

/** The suite that every form of Kernel passes: what it keeps, what it gives back, with which errnos it refuses. */
export function kernelContract(name: string, open: () => ContractSetting): void {
  describe(`kernel contract: ${name}`, () => {
    let setting: ContractSetting;
    let kernel: Kernel;
    let other: Kernel;

    beforeEach(() => {
      setting = open();
      ({ kernel, other } = setting);
    });
    afterEach(() => setting.close());

    const veth = (name: string, peer: string, more: Parameters<typeof createVeth>[3] = {}): Link =>
      createVeth(kernel, name, peer, more);

    describe('links', () => {
      test('a fresh namespace has loopback, down, under index 1', () => {
        expect(kernel.link('lo')).toMatchObject({ index: 1, name: 'lo', up: false, running: false, mtu: 65536 });
        expect(kernel.links().map(link => link.name)).toContain('lo');
      });

      test('a veth pair is created down, with the MTU and MAC asked for, each end naming the other', () => {
        const link = veth('cali1', 'peer1', { mtu: 1450, mac: HOST_MAC });
        expect(link).toMatchObject({
          name: 'cali1',
          kind: 'veth',
          mtu: 1450,
          mac: HOST_MAC,
          up: false,
          running: false,
        });
        const peer = kernel.link('peer1');
        expect(peer?.parent).toBe(link.index);
        expect(link.parent).toBe(peer?.index ?? -1);
        expect(link.peerNamespaceId).toBeUndefined();
      });

      test('a veth peer can be created in another namespace', () => {
        const peer = { name: 'eth0', namespace: setting.otherNamespace, mac: '02:00:00:00:aa:01', mtu: 1400 };
        const link = kernel.createLink({ kind: 'veth', name: 'cali1', peer });
        expect(link.peerNamespaceId).toBeGreaterThanOrEqual(0);
        expect(kernel.link('eth0')).toBeUndefined();
        expect(other.link('eth0')).toMatchObject({ mac: '02:00:00:00:aa:01', mtu: 1400, parent: link.index });
      });

      test('a link is found by name and by index, and an unknown one is undefined', () => {
        const { index } = veth('cali1', 'peer1');
        expect(kernel.link(index)?.name).toBe('cali1');
        expect(kernel.link('nowhere')).toBeUndefined();
        expect(kernel.link(99_999)).toBeUndefined();
      });

      test('a taken name is EEXIST, for either end', () => {
        veth('cali1', 'peer1');
        expectCode('EEXIST', () => veth('cali1', 'peer2'));
        expectCode('EEXIST', () => veth('cali2', 'peer1'));
        expect(kernel.link('cali2')).toBeUndefined();
      });

      test('a name of 16 bytes is refused', () => {
        expectCode('ERANGE', () => kernel.createLink({ kind: 'bridge', name: 'a'.repeat(16) }));
      });

      test('a link runs when both ends of the pair are up', () => {
        const link = veth('cali1', 'peer1');
        const peer = kernel.link('peer1');
        kernel.setLink(link.index, { up: true });
        expect(kernel.link('cali1')).toMatchObject({ up: true, running: false });
        kernel.setLink(peer?.index ?? -1, { up: true });
        eventually(() => kernel.link('cali1')?.running === true);
        kernel.setLink(link.index, { up: false });
        expect(kernel.link('cali1')).toMatchObject({ up: false, running: false });
      });

      test('a link can be created up', () => {
        expect(veth('cali1', 'peer1', { up: true }).up).toBe(true);
        expect(kernel.link('peer1')?.up).toBe(true);
      });

      test('name, MTU, MAC and alias can be changed, and an alias removed', () => {
        const { index } = veth('cali1', 'peer1');
        kernel.setLink(index, { name: 'cali2', mtu: 1300, mac: HOST_MAC, alias: 'pod default/web' });
        expect(kernel.link(index)).toMatchObject({ name: 'cali2', mtu: 1300, mac: HOST_MAC, alias: 'pod default/web' });
        kernel.setLink(index, { alias: '' });
        expect(kernel.link(index)?.alias).toBeUndefined();
        expectCode('EEXIST', () => kernel.setLink(index, { name: 'peer1' }));
        expectCode('EINVAL', () => kernel.setLink(index, { mtu: 1 }));
      });

      test('a link joins a bridge and leaves it', () => {
        const bridge = kernel.createLink({ kind: 'bridge', name: 'br0' });
        const { index } = veth('cali1', 'peer1');
        kernel.setLink(index, { master: bridge.index });
        expect(kernel.link(index)?.master).toBe(bridge.index);
        kernel.setLink(index, { master: null });
        expect(kernel.link(index)?.master).toBeUndefined();
      });

      test('a link moves to another namespace', () => {
        const { index } = veth('cali1', 'peer1');
        kernel.setLink(index, { namespace: setting.otherNamespace });
        expect(kernel.link('cali1')).toBeUndefined();
        expect(other.link('cali1')?.kind).toBe('veth');
        expect(kernel.link('peer1')?.peerNamespaceId).toBeGreaterThanOrEqual(0);
      });

      test('deleting one end of a pair deletes both', () => {
        kernel.createLink({ kind: 'veth', name: 'cali1', peer: { name: 'eth0', namespace: setting.otherNamespace } });
        other.deleteLink(other.link('eth0')?.index ?? -1);
        expect(kernel.link('cali1')).toBeUndefined();
      });

      test('several links are deleted in one step, absent ones passed over, others kept', () => {
        const doomed = ['cali1', 'cali2'].map(name => veth(name, `${name}-peer`).index);
        veth('cali3', 'peer3');
        kernel.deleteLinks([...doomed, 99_999]);
        expect(
          kernel
            .links()
            .map(link => link.name)
            .filter(name => name !== 'lo')
            .sort(),
        ).toEqual(['cali3', 'peer3']);
        kernel.deleteLinks(doomed);
        kernel.deleteLinks([]);
        expect(kernel.link('cali3')).toBeDefined();
      });

      test('a VXLAN link reports its settings and does not learn', () => {
        const { index } = veth('up0', 'up1', { up: true });
        const local = addr('172.16.0.1');
        const spec = { kind: 'vxlan', name: 'vxlan.calico', vni: 4096, port: 4789, local, parent: index } as const;
        const link = kernel.createLink({ ...spec, mtu: 1450, mac: '66:00:00:00:00:01' });
        expect(link).toMatchObject({ kind: 'vxlan', parent: index, mtu: 1450, mac: '66:00:00:00:00:01' });
        expect(link.vxlan).toEqual({ vni: 4096, port: 4789, local, learning: false });
        expectCode('EEXIST', () => kernel.createLink({ ...spec, name: 'vxlan2' }));
      });

      test('a VXLAN link may have an IPv6 endpoint and no parent', () => {
        const local = addr('fd00::1');
        const link = kernel.createLink({ kind: 'vxlan', name: 'vxlan-v6.calico', vni: 4096, port: 4790, local });
        expect(link.vxlan).toEqual({ vni: 4096, port: 4790, local, learning: false });
        expect(link.parent).toBeUndefined();
      });

      test('changing or deleting an absent link is ENODEV', () => {
        expectCode('ENODEV', () => kernel.setLink(99_999, { up: true }));
        expectCode('ENODEV', () => kernel.deleteLink(99_999));
      });
    });

    describe('addresses', () => {
      const on = (index: number): string[] => own(kernel.addresses(index)).map(a => printCidr(a.address));

      test('addresses of both families are kept with their length and scope', () => {
        const { index } = veth('cali1', 'peer1');
        kernel.replaceAddress({ link: index, address: cidr('10.65.0.1/32'), scope: 'universe' });
        kernel.replaceAddress({ link: index, address: cidr('10.65.1.1/24'), scope: 'link' });
        kernel.replaceAddress({ link: index, address: cidr('fd00::1/128'), scope: 'universe', noDad: true });
        expect(own(kernel.addresses(index)).sort(byText)).toEqual([
          { link: index, address: cidr('10.65.0.1/32'), scope: 'universe' },
          { link: index, address: cidr('10.65.1.1/24'), scope: 'link' },
          { link: index, address: cidr('fd00::1/128'), scope: 'universe', noDad: true },
        ]);
      });

      test('replacing an address that is there keeps one, and deleting it twice is EADDRNOTAVAIL', () => {
        const { index } = veth('cali1', 'peer1');
        for (const text of ['10.65.0.1/32', 'fd00::1/128']) {
          const address: Address = { link: index, address: cidr(text), scope: 'universe' };
          kernel.replaceAddress(address);
          kernel.replaceAddress(address);
          expect(on(index)).toEqual([text]);
          kernel.deleteAddress(address);
          expectCode('EADDRNOTAVAIL', () => kernel.deleteAddress(address));
        }
        expect(on(index)).toEqual([]);
      });

      test('the list can be of one link or of all', () => {
        const { index } = veth('cali1', 'peer1');
        const peer = kernel.link('peer1')?.index ?? -1;
        kernel.replaceAddress({ link: index, address: cidr('10.65.0.1/32'), scope: 'universe' });
        kernel.replaceAddress({ link: peer, address: cidr('10.65.0.2/32'), scope: 'universe' });
        expect(on(index)).toEqual(['10.65.0.1/32']);
        expect(own(kernel.addresses())).toHaveLength(2);
      });

      test('an address on an absent link is ENODEV', () => {
        expectCode('ENODEV', () =>
          kernel.replaceAddress({ link: 99_999, address: cidr('10.65.0.1/32'), scope: 'universe' }),
        );
        expectCode('ENODEV', () => kernel.addresses(99_999));
      });

      test('a running link gets the IPv6 link-local address of its MAC', () => {
        const { index } = veth('cali1', 'peer1', { mac: HOST_MAC });
        const peer = kernel.link('peer1')?.index ?? -1;
        kernel.setSysctl('net/ipv6/conf/cali1/accept_dad', '0');
        kernel.setLink(peer, { up: true });
        kernel.setLink(index, { up: true });
        eventually(() => kernel.addresses(index).some(a => printAddr(a.address.addr) === 'fe80::ecee:eeff:feee:eeee'));
      });

      test('a link that goes down keeps its IPv4 addresses and loses its IPv6 ones', () => {
        const { index } = veth('cali1', 'peer1', { up: true });
        kernel.replaceAddress({ link: index, address: cidr('10.65.0.1/32'), scope: 'universe' });
        kernel.replaceAddress({ link: index, address: cidr('fd00::1/128'), scope: 'universe', noDad: true });
        kernel.setLink(index, { up: false });
        expect(on(index)).toEqual(['10.65.0.1/32']);
      });
    });

    routeContract(() => kernel);

    describe('neighbours and forwarding entries', () => {
      test('permanent neighbours of both families are kept, replaced and deleted', () => {
        const { index } = veth('cali1', 'peer1', { up: true });
        for (const text of ['10.65.0.1', 'fd00::5']) {
          const entry = { link: index, address: addr(text), mac: '02:00:00:00:00:05', permanent: true };
          const of = () => kernel.neighbours({ link: index, family: entry.address.family }).filter(n => n.permanent);
          kernel.replaceNeighbour({ ...entry, mac: '02:00:00:00:00:04' });
          kernel.replaceNeighbour(entry);
          expect(of()).toEqual([entry]);
          expect(finished(kernel.neighboursInSteps({ link: index })).filter(n => n.permanent)).toEqual([entry]);
          expect(kernel.neighbours({ link: 1 }).filter(n => n.permanent)).toEqual([]);
          kernel.deleteNeighbour(entry);
          expect(of()).toEqual([]);
        }
      });

      test('deleting an absent neighbour is ENOENT, on an absent link ENODEV', () => {
        const { index } = veth('cali1', 'peer1', { up: true });
        expectCode('ENOENT', () => kernel.deleteNeighbour({ link: index, address: addr('10.65.0.1') }));
        expectCode('ENODEV', () => kernel.deleteNeighbour({ link: 99_999, address: addr('10.65.0.1') }));
      });

      test('forwarding entries of a VXLAN link are kept, replaced and deleted', () => {
        const local = addr('172.16.0.1');
        const { index } = kernel.createLink({ kind: 'vxlan', name: 'vx0', vni: 1, port: 4789, local, up: true });
        const entry = { link: index, mac: '66:00:00:00:00:02', remote: addr('172.16.0.2') };
        kernel.replaceFdb({ ...entry, remote: addr('172.16.0.9') });
        kernel.replaceFdb(entry);
        expect(kernel.fdb(index)).toEqual([entry]);
        expect(finished(kernel.fdbInSteps(index))).toEqual([entry]);
        kernel.deleteFdb(entry);
        expect(kernel.fdb(index)).toEqual([]);
        expectCode('ENOENT', () => kernel.deleteFdb(entry));
      });
    });

    describe('sysctls', () => {
      test('a value can be set and read, in this namespace only', () => {
        kernel.setSysctl('net/ipv4/ip_forward', '1');
        other.setSysctl('net/ipv4/ip_forward', '0');
        expect(kernel.sysctl('net/ipv4/ip_forward')).toBe('1');
        expect(other.sysctl('net/ipv4/ip_forward')).toBe('0');
      });

      test("a link's own settings come and go with it, and follow its name", () => {
        const { index } = veth('cali1', 'peer1');
        kernel.setSysctl('net/ipv4/conf/cali1/proxy_arp', '1');
        kernel.setLink(index, { name: 'cali2' });
        expect(kernel.sysctl('net/ipv4/conf/cali2/proxy_arp')).toBe('1');
        expectCode('ENOENT', () => kernel.sysctl('net/ipv4/conf/cali1/proxy_arp'));
        kernel.deleteLink(index);
        expectCode('ENOENT', () => kernel.setSysctl('net/ipv4/conf/cali2/proxy_arp', '1'));
      });

      test('an unknown one is ENOENT, a bad value EINVAL', () => {
        expectCode('ENOENT', () => kernel.sysctl('net/ipv4/no_such_thing'));
        expectCode('EINVAL', () => kernel.setSysctl('net/ipv4/ip_forward', 'yes'));
      });
    });

    describe('conntrack', () => {
      test('a fresh namespace has no connections, and deleting none is no error', () => {
        expect(kernel.conntrack.list()).toEqual([]);
        expect(kernel.conntrack.deleteByAddresses([addr('10.65.0.1')])).toBe(0);
        expect(kernel.conntrack.deleteByAddresses([addr('fd00::1')])).toBe(0);
        expect(kernel.conntrack.listInSteps([addr('10.65.0.1')]).next()).toEqual({ done: true, value: [] });
        expect(kernel.conntrack.delete([])).toBe(0);
        expect(kernel.conntrack.fixTimeout([], 1)).toBe(0);
        kernel.conntrack.flush();
      });
    });

    describe('subscriptions', () => {
      test('changes of the groups asked for are delivered, later, in order', async () => {
        const events: KernelEvent[] = [];
        const done = Promise.withResolvers<void>();
        const subscription = kernel.subscribe(['link', 'address', 'route', 'neighbour'], event => {
          events.push(event);
          if (event.kind === 'link' && event.change === 'deleted' && event.link.name === 'cali1') done.resolve();
        });
        const { index } = veth('cali1', 'peer1', { up: true });
        const route: Route = {
          destination: cidr('10.65.0.1/32'),
          table: MAIN,
          protocol: FELIX,
          scope: 'link',
          type: 'unicast',
          link: index,
        };
        const neighbour = { link: index, address: addr('10.65.0.1'), mac: HOST_MAC, permanent: true };
        kernel.replaceAddress({ link: index, address: cidr('10.0.0.1/32'), scope: 'universe' });
        kernel.replaceRoute(route);
        kernel.replaceNeighbour(neighbour);
        kernel.deleteLink(index);
        expect(events).toEqual([]);
        await done.promise;
        subscription.close();
        expect(events).toContainEqual({ kind: 'route', change: 'new', route });
        expect(events).toContainEqual({ kind: 'neighbour', change: 'new', neighbour });
        const address: Address = { link: index, address: cidr('10.0.0.1/32'), scope: 'universe' };
        expect(events).toContainEqual({ kind: 'address', change: 'new', address });
        const first = events.findIndex(event => event.kind === 'link' && event.change === 'new');
        const routed = events.findIndex(event => event.kind === 'route' && event.route.protocol === FELIX);
        expect(first).toBeLessThan(routed);
      });

      test('other groups, other namespaces and closed subscriptions hear nothing', async () => {
        const heard: string[] = [];
        const done = Promise.withResolvers<void>();
        const subscriptions = [
          kernel.subscribe(['route'], () => heard.push('route')),
          other.subscribe(['link'], () => heard.push('other namespace')),
          kernel.subscribe(['link'], event => event.kind === 'link' && event.link.name === 'br0' && done.resolve()),
        ];
        kernel.subscribe(['link'], () => heard.push('closed')).close();
        kernel.createLink({ kind: 'bridge', name: 'br0' });
        await done.promise;
        for (const subscription of subscriptions) subscription.close();
        expect(heard).toEqual([]);
      });
    });
  });
}
