import { beforeEach, describe, expect, test } from 'bun:test';
import { addr, cidr } from '@calico/ip';
import { finished } from '@calico/reconcile';
import type { Address, Kernel, Route } from '../kernel.ts';
import { byText, createVeth, expectCode, FELIX, MAIN, RTPROT_KERNEL } from './tools.ts';

/** The part of the suite about routes; `current` gives the empty kernel of the running test. */
export function routeContract(current: () => Kernel): void {
  describe('routes', () => {
    let kernel: Kernel;
    let index: number;
    beforeEach(() => {
      kernel = current();
      index = createVeth(kernel, 'cali1', 'peer1', { up: true }).index;
    });
    const base = { table: MAIN, protocol: FELIX, scope: 'universe', type: 'unicast' } as const;
    const made = (filter?: Parameters<Kernel['routes']>[0]): Route[] =>
      kernel.routes(filter).filter(route => route.protocol !== RTPROT_KERNEL && route.table !== 255);

    test('every kind of route comes back as it was given', () => {
      kernel.replaceAddress({ link: index, address: cidr('10.0.0.1/24'), scope: 'universe' });
      const given: Route[] = [
        { ...base, destination: cidr('10.65.0.1/32'), link: index, scope: 'link', protocol: 3, metric: 1024 },
        { ...base, destination: cidr('10.65.1.0/26'), type: 'blackhole' },
        {
          ...base,
          destination: cidr('10.65.2.0/26'),
          link: index,
          gateway: addr('10.65.9.9'),
          onlink: true,
          mtu: 1450,
        },
        {
          ...base,
          destination: cidr('10.65.3.0/26'),
          link: index,
          gateway: addr('10.0.0.2'),
          source: addr('10.0.0.1'),
        },
        { ...base, destination: cidr('10.65.4.0/26'), link: index, scope: 'link', table: 1000 },
        { ...base, destination: cidr('0.0.0.0/0'), link: index, gateway: addr('10.0.0.2'), metric: 5 },
        { ...base, destination: cidr('10.65.5.0/26'), type: 'throw', table: 100_000 },
        { ...base, destination: cidr('fd00:1::1/128'), link: index, metric: 1024 },
        { ...base, destination: cidr('fd00:2::/122'), type: 'blackhole', metric: 1024 },
        {
          ...base,
          destination: cidr('fd00:3::/122'),
          link: index,
          gateway: addr('fe80::1'),
          metric: 77,
          onlink: true,
        },
      ];
      for (const route of given) kernel.replaceRoute(route);
      expect(made().sort(byText)).toEqual(given.sort(byText));
    });

    test('an IPv6 route without a metric gets 1024', () => {
      kernel.replaceRoute({ ...base, destination: cidr('fd00:1::1/128'), link: index });
      expect(made()).toEqual([{ ...base, destination: cidr('fd00:1::1/128'), link: index, metric: 1024 }]);
    });

    test('several next hops come back as such', () => {
      kernel.replaceAddress({ link: index, address: cidr('10.0.0.1/24'), scope: 'universe' });
      const nexthops = [
        { link: index, gateway: addr('10.0.0.2'), weight: 1 },
        { link: index, gateway: addr('10.0.0.3'), weight: 5 },
      ];
      kernel.replaceRoute({ ...base, destination: cidr('10.65.0.0/26'), nexthops });
      expect(made()).toEqual([{ ...base, destination: cidr('10.65.0.0/26'), nexthops }]);
    });

    test('a route with the same destination, table and metric is replaced', () => {
      const destination = cidr('10.65.0.0/26');
      kernel.replaceAddress({ link: index, address: cidr('10.0.0.1/32'), scope: 'universe' });
      kernel.replaceRoute({ ...base, destination, type: 'blackhole' });
      const second: Route = { ...base, destination, link: index, gateway: addr('10.9.9.9'), onlink: true };
      kernel.replaceRoute(second);
      kernel.replaceRoute(second);
      expect(made()).toEqual([second]);
    });

    test('routes are listed by table and by family, an unknown table being empty', () => {
      const main: Route = { ...base, destination: cidr('10.65.0.1/32'), link: index, scope: 'link' };
      const side: Route = { ...main, table: 1000 };
      const six: Route = { ...base, destination: cidr('fd00:1::1/128'), link: index, metric: 1024 };
      for (const route of [main, side, six]) kernel.replaceRoute(route);
      expect(made({ table: MAIN, family: 4 })).toEqual([main]);
      expect(made({ table: 1000 })).toEqual([side]);
      expect(made({ family: 6 })).toEqual([six]);
      expect(kernel.routes({ table: 4711 })).toEqual([]);
      expect(finished(kernel.routesInSteps())).toEqual(kernel.routes());
      expect(finished(kernel.routesInSteps({ table: 1000 }))).toEqual([side]);
    });

    test('deleting needs the destination and table only, and of an absent route is ESRCH', () => {
      for (const text of ['10.65.0.0/26', 'fd00:1::/122']) {
        const destination = cidr(text);
        kernel.replaceRoute({ ...base, destination, type: 'blackhole', metric: 7 });
        expectCode('ESRCH', () => kernel.deleteRoute({ destination, table: MAIN, metric: 8 }));
        kernel.deleteRoute({ destination, table: MAIN });
        expectCode('ESRCH', () => kernel.deleteRoute({ destination, table: MAIN }));
      }
      expectCode('ESRCH', () => kernel.deleteRoute({ destination: cidr('10.65.0.0/26'), table: 4711 }));
    });

    test('a route just listed can be deleted as it is', () => {
      kernel.replaceRoute({ ...base, destination: cidr('10.65.0.1/32'), link: index, scope: 'link', mtu: 1400 });
      kernel.replaceRoute({ ...base, destination: cidr('fd00:1::/122'), type: 'blackhole' });
      for (const route of made()) kernel.deleteRoute(route);
      expect(made()).toEqual([]);
    });

    test('what cannot work is refused', () => {
      const destination = cidr('10.65.0.0/26');
      const cases: [code: string, route: Route][] = [
        ['EINVAL', { ...base, destination: cidr('10.65.0.1/26'), link: index, scope: 'link' }],
        ['ENODEV', { ...base, destination, link: 99_999, scope: 'link' }],
        ['ENETUNREACH', { ...base, destination, link: index, gateway: addr('10.9.9.9') }],
        ['EHOSTUNREACH', { ...base, destination: cidr('fd00:1::/122'), link: index, gateway: addr('fd00:9::9') }],
        ['EINVAL', { ...base, destination, link: index, scope: 'link', source: addr('10.9.9.9') }],
      ];
      for (const [code, route] of cases) expectCode(code, () => kernel.replaceRoute(route));
      kernel.setLink(index, { up: false });
      expectCode('ENETDOWN', () => kernel.replaceRoute({ ...base, destination, link: index, scope: 'link' }));
      expect(made()).toEqual([]);
    });

    test('routes go with their link, when it goes down and when it is deleted', () => {
      const blackhole: Route = { ...base, destination: cidr('10.65.1.0/26'), type: 'blackhole' };
      const four: Route = { ...base, destination: cidr('10.65.0.1/32'), link: index, scope: 'link' };
      const six: Route = { ...base, destination: cidr('fd00:1::1/128'), link: index };
      for (const route of [blackhole, four, six]) kernel.replaceRoute(route);
      kernel.setLink(index, { up: false });
      expect(made()).toEqual([blackhole]);
      kernel.setLink(index, { up: true });
      kernel.replaceRoute(four);
      kernel.deleteLink(index);
      expect(made()).toEqual([blackhole]);
    });

    test('an address brings the route to its prefix, and takes it away again', () => {
      const address: Address = { link: index, address: cidr('10.0.0.1/24'), scope: 'universe' };
      kernel.replaceAddress(address);
      const connected = () => kernel.routes({ table: MAIN, family: 4 });
      expect(connected()).toEqual([
        {
          ...base,
          destination: cidr('10.0.0.0/24'),
          link: index,
          scope: 'link',
          protocol: RTPROT_KERNEL,
          source: addr('10.0.0.1'),
        },
      ]);
      kernel.deleteAddress(address);
      expect(connected()).toEqual([]);
    });
  });
}
