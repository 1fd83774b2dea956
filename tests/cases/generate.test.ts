import { describe, expect, test } from 'bun:test';
import { kindOf, printFieldError } from '@calico/api';
import { familyOf } from '../oracle/address.ts';
import { oracleOf } from '../oracle/oracle.ts';
import type { Packet, Place } from '../oracle/packet.ts';
import type { PodStatus } from '../oracle/resources.ts';
import { measureCoverage, printCoverage } from './coverage.ts';
import { Dice } from './dice.ts';
import { assignAddresses, type BoundCase, type Case, generateCase } from './generate.ts';

const pools = ['10.244.0.0/16', 'fd00:10:244::/112'];

const seeds = Array.from({ length: 80 }, (_, seed) => seed);
/** Every other case has pods of both families. */
const bind = (given: Case): BoundCase => given.bind(assignAddresses(given, ...pools.slice(0, 1 + (given.seed % 2))));
const cases = seeds.map(seed => bind(generateCase(seed)));
const coverage = measureCoverage(cases);

const verdicts = ({ packets }: BoundCase, resources = [] as BoundCase['resources']) => {
  const oracle = oracleOf(resources);
  return packets.map(packet => oracle.judge(packet).verdict);
};

describe('generateCase', () => {
  test('the same seed gives the same case, another seed another', () => {
    expect(bind(generateCase(7))).toEqual({ ...bind(generateCase(7)), oracle: expect.anything() });
    expect(bind(generateCase(7)).packets).not.toEqual(bind(generateCase(12)).packets);
  });

  test('other addresses change the networks in the policies, nothing else about them', () => {
    const given = generateCase(8);
    const shape = ({ policies }: BoundCase) => JSON.stringify(policies).replaceAll(/[0-9a-f.:]+\/\d+/g, 'net');
    const moved = given.bind(assignAddresses(given, '10.99.0.0/16'));
    expect(JSON.stringify(moved.policies)).toContain('10.99.');
    expect(shape(moved)).toBe(shape(bind(given)));
  });

  test('cases grow with their size', () => {
    const small = generateCase(3, { size: 1 });
    const large = generateCase(3, { size: 5 });
    expect(small.pods).toHaveLength(4);
    expect(large.pods).toHaveLength(12);
    expect(bind(large).policies.length).toBeGreaterThan(bind(small).policies.length);
  });

  test('options are kept: nodes, protocols, packets, no outside', () => {
    const given = generateCase(4, { nodes: 2, protocols: [6], packets: 10, outside: [] });
    expect(new Set(given.pods.map(({ node }) => node))).toEqual(new Set(['node-1', 'node-2']));
    const { packets } = bind(given);
    expect(packets).toHaveLength(10);
    expect(
      packets.every(({ protocol, source, destination }) => protocol === 6 && 'pod' in source && 'pod' in destination),
    ).toBe(true);
  });

  test('no packet goes from a pod to itself', () => {
    const own = cases.flatMap(({ packets }) =>
      packets.filter(({ source, destination }) => JSON.stringify(source) === JSON.stringify(destination)),
    );
    expect(own).toEqual([]);
  });

  test('a pod without an address is refused', () => {
    expect(() => generateCase(0).bind({})).toThrow('has no address');
  });

  test('every resource is valid by the rules of the API', () => {
    const served = cases.flatMap(({ resources }) =>
      resources.flatMap(resource => {
        const kind = kindOf(resource.apiVersion, resource.kind);
        return kind === undefined ? [] : [{ resource, kind }];
      }),
    );
    const errors = served.flatMap(({ resource, kind }) => {
      const object = { spec: {}, ...resource } as Parameters<typeof kind.validate>[0];
      return kind.validate(kind.default(object)).map(error => `${resource.metadata.name}: ${printFieldError(error)}`);
    });
    expect(errors).toEqual([]);
    expect([...new Set(served.map(({ kind }) => kind.kind))].sort()).toEqual(
      expect.arrayContaining([
        'ClusterNetworkPolicy',
        'GlobalNetworkPolicy',
        'GlobalNetworkSet',
        'Namespace',
        'NetworkPolicy',
        'NetworkSet',
        'Pod',
        'Tier',
      ]),
    );
  });
});

describe('the oracle on random cases', () => {
  test('asked again, it answers the same', () => {
    for (const each of cases.slice(0, 20))
      expect(verdicts(each, each.resources)).toEqual(verdicts(each, each.resources));
  });

  test('the order of the resources does not matter', () => {
    const dice = new Dice(1);
    for (const each of cases) {
      const shuffled = each.resources
        .map(resource => ({ resource, place: dice.next() }))
        .sort((a, b) => a.place - b.place)
        .map(({ resource }) => resource);
      expect(verdicts(each, shuffled)).toEqual(verdicts(each, each.resources));
    }
  });

  test('a pod and its address are the same place', () => {
    for (const each of cases) {
      const pods = each.resources.filter(({ kind }) => kind === 'Pod');
      const addresses = new Map(
        pods.map(({ metadata, status }) => [
          `${metadata.namespace}/${metadata.name}`,
          (status as PodStatus).podIPs ?? [],
        ]),
      );
      const byAddress = (place: Place, family: 4 | 6 | undefined): Place => {
        if (!('pod' in place)) return place;
        const found = addresses.get(place.pod)?.find(({ ip }) => familyOf(ip) === family);
        return { ip: found?.ip ?? '' };
      };
      const packets = each.packets.map(
        (packet): Packet => ({
          ...packet,
          source: byAddress(packet.source, packet.ipVersion),
          destination: byAddress(packet.destination, packet.ipVersion),
        }),
      );
      expect(verdicts({ ...each, packets }, each.resources)).toEqual(verdicts(each, each.resources));
    }
  });

  test('a new first tier that passes everything changes no verdict', () => {
    const pass = {
      tier: 'opening',
      types: ['Ingress', 'Egress'],
      ingress: [{ action: 'Pass' }],
      egress: [{ action: 'Pass' }],
    };
    const more = [
      { apiVersion: 'projectcalico.org/v3', kind: 'Tier', metadata: { name: 'opening' }, spec: { order: -5 } },
      { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkPolicy', metadata: { name: 'opening' }, spec: pass },
    ];
    for (const each of cases)
      expect(verdicts(each, [...each.resources, ...more])).toEqual(verdicts(each, each.resources));
  });
});

describe('together the cases', () => {
  const kinds = [
    'ipVersion',
    'protocol',
    'notProtocol',
    'icmp',
    'notICMP',
    'source.nets',
    'source.notNets',
    'source.selector',
    'source.notSelector',
    'source.namespaceSelector',
    'source.serviceAccounts',
    'source.ports (number)',
    'source.ports (range)',
    'source.notPorts (range)',
    'destination.nets',
    'destination.notNets',
    'destination.selector',
    'destination.notSelector',
    'destination.namespaceSelector',
    'destination.serviceAccounts',
    'destination.ports (number)',
    'destination.ports (range)',
    'destination.ports (name)',
    'destination.notPorts (number)',
    'destination.notPorts (range)',
    'destination.notPorts (name)',
    'peer (podSelector)',
    'peer (namespaceSelector)',
    'peer (ipBlock)',
    'peer (ipBlock with except)',
    'port (number)',
    'port (range)',
    'port (name)',
    'port (protocol only)',
    'cluster peer (namespaces)',
    'cluster peer (pods)',
    'cluster peer (networks)',
    'cluster port (number)',
    'cluster port (range)',
    'cluster port (name)',
  ];

  test('make every kind of criterion hold and fail', () => {
    const lacking = kinds.filter(kind => {
      const tally = coverage.criteria.get(kind);
      return tally === undefined || tally.held < 5 || tally.failed < 5;
    });
    expect(lacking).toEqual([]);
  });

  test('have packets decided in every way, both verdicts often', () => {
    expect([...coverage.decisions.keys()].sort()).toEqual(['All passed', 'Allow', 'Deny', 'No policy', 'Tier default']);
    expect(coverage.verdicts.allow).toBeGreaterThan(600);
    expect(coverage.verdicts.deny).toBeGreaterThan(600);
  });

  test('print what they cover, a line per kind', () => {
    const lines = printCoverage(coverage).split('\n');
    for (const kind of kinds) expect(lines.filter(line => line.startsWith(`${kind} `))).toHaveLength(1);
    expect(lines.at(-1)).toMatch(/^packets denied +\d+$/);
  });
});
