import { describe, expect, test } from 'bun:test';
import { cidr, cidrContains, cidrsOverlap } from '@calico/ip';
import { encapsulations, mostNodes, planLab } from './plan.ts';

describe('planLab', () => {
  test('gives three nodes on one subnet, the router before them', () => {
    const plan = planLab({ nodes: 3, encapsulation: 'vxlan' });
    expect(plan.nodes).toEqual([
      { name: 'node1', address: '172.30.1.11/24', gateway: '172.30.1.1', bridge: 'fabric-a' },
      { name: 'node2', address: '172.30.1.12/24', gateway: '172.30.1.1', bridge: 'fabric-a' },
      { name: 'node3', address: '172.30.1.13/24', gateway: '172.30.1.1', bridge: 'fabric-a' },
    ]);
    expect(plan.router.ports).toEqual([{ bridge: 'fabric-a', address: '172.30.1.1/24' }]);
  });

  test.each([
    { nodes: 1, first: 1, second: 0 },
    { nodes: 2, first: 1, second: 1 },
    { nodes: 3, first: 2, second: 1 },
    { nodes: 8, first: 4, second: 4 },
  ])('cross-subnet puts $second of $nodes nodes behind the router', ({ nodes, first, second }) => {
    const plan = planLab({ nodes, encapsulation: 'cross-subnet' });
    const on = (bridge: string) => plan.nodes.filter(node => node.bridge === bridge).length;
    expect([on('fabric-a'), on('fabric-b')]).toEqual([first, second]);
  });

  for (const encapsulation of encapsulations) {
    test(`${encapsulation}, any number of nodes: addresses differ, each within reach of its gateway, and nets are apart`, () => {
      for (let nodes = 1; nodes <= mostNodes; nodes++) {
        const plan = planLab({ nodes, encapsulation });
        const addresses = [
          ...plan.nodes.map(node => node.address),
          ...plan.router.ports.map(port => port.address),
          plan.router.outside,
          plan.external.address,
        ];
        expect(new Set(addresses).size).toBe(addresses.length);
        expect(new Set(plan.nodes.map(node => node.name)).size).toBe(nodes);
        for (const { address, gateway, bridge } of plan.nodes) {
          expect(cidrContains(cidr(address), cidr(gateway).addr)).toBe(true);
          expect(plan.router.ports.find(port => port.bridge === bridge)?.address).toBe(`${gateway}/24`);
        }
        for (const address of addresses) {
          expect(cidrsOverlap(cidr(plan.podCidr), cidr(address))).toBe(false);
          expect(cidrsOverlap(cidr(plan.serviceCidr), cidr(address))).toBe(false);
        }
      }
    });
  }

  test.each([0, -1, 1.5, mostNodes + 1, Number.NaN])('refuses %p nodes', nodes => {
    expect(() => planLab({ nodes, encapsulation: 'vxlan' })).toThrow(`nodes is ${nodes}; allowed: 1 to ${mostNodes}`);
  });
});
