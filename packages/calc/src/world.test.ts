import { describe, expect, test } from 'bun:test';
import { addr } from '@calico/ip';
import { evaluate, type Packet } from '@calico/policy';
import { given, namespaceProfile, workload } from './testing/builders.ts';
import { NODE, play } from './testing/replay.ts';
import { worldOf } from './world.ts';

const state = play([
  namespaceProfile('shop'),
  workload(
    'shop/cart',
    NODE,
    ['10.0.0.1/32'],
    { app: 'cart' },
    { ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] },
  ),
  workload('shop/web', 'node-2', ['10.0.0.2/32', 'fd00::2/128'], { app: 'web' }),
  given('NetworkSet', 'shop/partners', { nets: ['192.0.2.0/24', '2001:db8::/32'] }, { labels: { app: 'web' } }),
  given('NetworkPolicy', 'shop/p', {
    selector: "app == 'cart'",
    types: ['Ingress'],
    ingress: [
      { action: 'Allow', protocol: 'TCP', source: { selector: "app == 'web'" }, destination: { ports: ['http'] } },
    ],
  }),
]);
const world = worldOf(state);
const cart = state.endpoints.get('shop/cart');

describe('worldOf', () => {
  const cases: readonly { name: string; source: string; port: number; want: 'allow' | 'deny' }[] = [
    { name: 'an endpoint of the set to the named port', source: '10.0.0.2', port: 8080, want: 'allow' },
    { name: 'an address in a network of the set', source: '192.0.2.77', port: 8080, want: 'allow' },
    { name: 'an address beside the network', source: '192.0.3.0', port: 8080, want: 'deny' },
    { name: 'another port', source: '10.0.0.2', port: 80, want: 'deny' },
  ];
  for (const { name, source, port, want } of cases) {
    test(`lets the evaluator decide ${name}`, () => {
      if (cart === undefined) throw new Error('there is no cart');
      const packet: Packet = {
        family: 4,
        source: addr(source),
        destination: addr('10.0.0.1'),
        protocol: 6,
        sourcePort: 1,
        destinationPort: port,
      };
      expect(evaluate(cart.ingress, 'ingress', world, packet).verdict).toBe(want);
    });
  }

  test('answers for both families, and for no set', () => {
    const [id = ''] = [...state.sets].find(([, { type }]) => type === 'net') ?? [];
    expect(world.setContains(id, addr('2001:db8:1::1'))).toBe(true);
    expect(world.setContains(id, addr('fd00::2'))).toBe(true);
    expect(world.setContains(id, addr('fd00::3'))).toBe(false);
    expect(world.setContains('s:lost', addr('fd00::3'))).toBe(false);
  });
});
