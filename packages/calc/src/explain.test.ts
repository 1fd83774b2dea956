import { describe, expect, test } from 'bun:test';
import { addr } from '@calico/ip';
import type { Packet } from '@calico/policy';
import { explain } from './explain.ts';
import { given, namespaceProfile, slice, workload } from './testing/builders.ts';

const http = { ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] };
const cluster = [
  namespaceProfile('shop'),
  workload('shop/web', 'node-1', ['10.0.0.1/32'], { app: 'web' }),
  workload('shop/db', 'node-2', ['10.0.1.1/32'], { app: 'db' }, http),
  workload('shop/other', 'node-2', ['10.0.1.2/32'], { app: 'other' }),
  slice('shop/db-1', 'db', ['10.0.1.1'], ['tcp:8080']),
  given('NetworkPolicy', 'shop/db', {
    selector: "app == 'db'",
    order: 10,
    types: ['Ingress'],
    ingress: [
      { action: 'Deny', source: { nets: ['192.0.2.0/24'] } },
      { action: 'Allow', protocol: 'TCP', source: { selector: "app == 'web'" }, destination: { ports: ['http'] } },
    ],
  }),
  given('StagedNetworkPolicy', 'shop/try', {
    selector: "app == 'db'",
    order: 1,
    types: ['Ingress'],
    ingress: [{ action: 'Deny' }],
  }),
  given('NetworkPolicy', 'shop/web', {
    selector: "app == 'web'",
    types: ['Egress'],
    egress: [{ action: 'Allow', destination: { services: { name: 'db' } } }],
  }),
];

function packet(source: string, destination: string, destinationPort: number): Packet {
  return {
    family: 4,
    source: addr(source),
    destination: addr(destination),
    protocol: 6,
    sourcePort: 40_000,
    destinationPort,
  };
}

describe('explain', () => {
  test('tells both ends, each policy, each rule, and why those did not apply', () => {
    const { verdict, directions } = explain(cluster, packet('10.0.0.1', '10.0.1.1', 8080));
    expect(verdict).toBe('allow');
    expect(directions).toEqual([
      {
        direction: 'egress',
        endpoint: 'shop/web',
        workload: 'shop/web',
        node: 'node-1',
        verdict: 'allow',
        steps: [
          {
            kind: 'policy',
            tier: 'default',
            name: 'np/shop/web',
            outcome: 'allow',
            rules: [{ index: 0, action: 'allow' }],
          },
        ],
      },
      {
        direction: 'ingress',
        endpoint: 'shop/db',
        workload: 'shop/db',
        node: 'node-2',
        verdict: 'allow',
        steps: [
          {
            kind: 'policy',
            tier: 'default',
            name: 'snp/shop/try',
            staged: true,
            outcome: 'deny',
            rules: [{ index: 0, action: 'deny' }],
          },
          {
            kind: 'policy',
            tier: 'default',
            name: 'np/shop/db',
            outcome: 'allow',
            rules: [
              { index: 0, action: 'deny', unmet: 'source in {192.0.2.0/24}' },
              { index: 1, action: 'allow' },
            ],
          },
        ],
      },
    ]);
  });

  test('names the selector or service that an end is not of, and the tier that denied', () => {
    const { verdict, directions } = explain(cluster, packet('10.0.1.2', '10.0.1.1', 8080));
    expect(verdict).toBe('deny');
    expect(directions.map(({ direction, verdict: said }) => `${direction} ${said}`)).toEqual([
      'egress allow',
      'ingress deny',
    ]);
    expect(directions[0]?.steps).toEqual([
      { kind: 'profile', name: 'kns.shop', outcome: 'allow', rules: [{ index: 0, action: 'allow' }] },
    ]);
    expect(directions[1]?.steps.at(-1)).toEqual({ kind: 'tierEnd', tier: 'default', outcome: 'deny' });
    expect(directions[1]?.steps[1]?.rules?.[1]?.unmet).toBe(
      'source in (projectcalico.org/namespace == "shop" && app == "web")',
    );
    const wrongPort = explain(cluster, packet('10.0.0.1', '10.0.1.1', 80)).directions[0];
    expect(wrongPort?.steps[0]?.rules?.[0]?.unmet).toBe('destination with port in service shop/db');
  });

  test('asks nobody about a packet between strangers', () => {
    expect(explain(cluster, packet('203.0.113.1', '203.0.113.2', 80))).toEqual({ verdict: 'allow', directions: [] });
  });
});
