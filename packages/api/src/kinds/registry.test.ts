import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { printFieldError, printValue } from '../field-error.ts';
import type { Kind } from '../kind.ts';
import { openApiListSchema, openApiName, openApiSchema } from '../openapi.ts';
import { isObject } from '../schema/node.ts';
import { untyped } from '../testing.ts';
import { unknownFields } from '../unknown-fields.ts';
import { kindByName, kindByPlural, kindOf, kinds } from './registry.ts';

const NOW = Date.parse('2026-01-02T03:04:05Z');
const every = kinds.map(kind => ({ name: `${kind.kind} of ${kind.apiVersion}`, kind }));

test.each(every)('the example of $name is valid, before and after defaults', ({ kind }) => {
  const defaulted = kind.default(kind.example());
  expect(kind.validate(defaulted).map(printFieldError)).toEqual([]);
  expect(unknownFields(kind, defaulted)).toEqual([]);
  expect(kind.default(defaulted)).toEqual(defaulted);
  expect(kind.validate(kind.default(defaulted), defaulted)).toEqual([]);
});

test.each(every)('defaults of $name leave the object that was given as it was', ({ kind }) => {
  const given = kind.example();
  kind.default(given);
  expect(given).toEqual(kind.example());
});

test.each(every)('every column of $name has a cell for the example', ({ kind }) => {
  const { columns, calicoctl } = kind;
  const example = kind.default(kind.example());
  expect(columns.length).toBeGreaterThan(0);
  for (const column of columns) expect(column.value(example, NOW)).not.toBeUndefined();
  for (const { value } of [...(calicoctl?.narrow ?? []), ...(calicoctl?.wide ?? [])]) {
    expect(typeof value(example)).toBe('string');
  }
  for (const { value } of Object.values(kind.fieldLabels)) expect(typeof value(example)).toBe('string');
});

test.each(every)('the published schema of $name holds no keyword of ours, and types for every value', ({ kind }) => {
  for (const version of ['v3', 'v2'] as const) {
    const schema = openApiSchema(kind, version);
    expect(JSON.stringify(schema)).not.toContain('x-calico');
    expect(schema['x-kubernetes-group-version-kind']).toEqual([
      { group: kind.group, version: kind.version, kind: kind.kind },
    ]);
    checkTypes(schema, kind.kind);
  }
});

function checkTypes(schema: object, path: string): void {
  const node: { [keyword: string]: unknown } = { ...schema };
  if (node.type === undefined && node['x-kubernetes-int-or-string'] !== true) throw new Error(`${path} has no type`);
  if (isObject(node.properties)) {
    for (const [name, inner] of Object.entries(node.properties))
      if (isObject(inner)) checkTypes(inner, `${path}.${name}`);
  }
  for (const inner of [node.items, node.additionalProperties]) if (isObject(inner)) checkTypes(inner, `${path}[]`);
}

function unreachable(): never {
  throw new Error('no such kind');
}

/** The example with one value, somewhere below its top, replaced by any JSON value. */
function mutated(kind: Kind, index: number, value: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(kind.example(), (_, part) => (typeof part === 'bigint' ? 1 : part)));
  const places: (() => void)[] = [];
  const visit = (holder: Record<string, unknown> | unknown[]): void => {
    for (const key of Object.keys(holder)) {
      const part = Reflect.get(holder, key);
      places.push(() => Reflect.set(holder, key, value));
      if (Array.isArray(part) || isObject(part)) visit(part);
    }
  };
  if (isObject(copy)) visit(copy);
  places[index % places.length]?.();
  return copy;
}

test('no JSON value makes defaults or validation throw, and every fault says where, what and what is allowed', () => {
  fc.assert(
    fc.property(fc.constantFrom(...every.keys()), fc.nat(), fc.jsonValue(), (position, index, value) => {
      const kind = every[position]?.kind ?? unreachable();
      const defaulted = kind.default(untyped(mutated(kind, index, value)));
      unknownFields(kind, defaulted);
      for (const error of kind.validate(defaulted, kind.default(kind.example()))) {
        expect(error.path).not.toBe('');
        expect(error.message.length).toBeGreaterThan(5);
        expect(printFieldError(error)).toStartWith(`${error.path}: `);
        expect(printValue(error.value).length).toBeLessThan(210);
      }
    }),
    { numRuns: 3000 },
  );
});

test.each([
  { value: null, path: '' },
  { value: 'text', path: '' },
  { value: [], path: '' },
  { value: {}, path: 'metadata' },
])('$value is no object of any kind', ({ value, path }) => {
  for (const kind of kinds) {
    const [first] = kind.validate(kind.default(untyped(value)));
    expect(first?.path).toBe(path);
  }
});

test.each([
  {
    kind: 'Deployment',
    value: { spec: { replicsa: 1, template: { spec: { contaners: [] } } } },
    want: ['spec.replicsa', 'spec.template.spec.contaners'],
  },
  {
    kind: 'Pod',
    value: { spec: { containers: [{ prots: [], livenessProbe: { a: { b: 1 } } }] } },
    want: ['spec.containers[0].prots'],
  },
  { kind: 'GlobalNetworkPolicy', value: { spec: { ingress: [{}, { sorce: {} }] } }, want: ['spec.ingress[1].sorce'] },
  {
    kind: 'IPPool',
    value: { metadata: { lables: {}, labels: { any: 'name' } }, spce: {} },
    want: ['metadata.lables', 'spce'],
  },
  { kind: 'IPAMHandle', value: { spec: { block: { '10.0.0.0/26': 1 } } }, want: [] },
])('fields of a $kind that nobody knows are $want', ({ kind, value, want }) => {
  expect(unknownFields(kindByName(kind) ?? unreachable(), value)).toEqual(untyped(want));
});

test('a kind is found by every name that kubectl and calicoctl take', () => {
  const wanted: Record<string, string> = {
    ippool: 'IPPool',
    IPPools: 'IPPool',
    ipp: 'IPPool',
    POOL: 'IPPool',
    gnp: 'GlobalNetworkPolicy',
    wep: 'WorkloadEndpoint',
    hep: 'HostEndpoint',
    snp: 'StagedNetworkPolicy',
    spol: 'StagedNetworkPolicy',
    sgnp: 'StagedGlobalNetworkPolicy',
    skpol: 'StagedKubernetesNetworkPolicy',
    bf: 'BGPFilter',
    nodestatus: 'CalicoNodeStatus',
    kubecontrollersconfig: 'KubeControllersConfiguration',
    bgpconfig: 'BGPConfiguration',
    bgpp: 'BGPPeer',
    felixconfig: 'FelixConfiguration',
    clusterinfo: 'ClusterInformation',
    netsets: 'NetworkSet',
    gnetsets: 'GlobalNetworkSet',
    ipamconfig: 'IPAMConfiguration',
    reservation: 'IPReservation',
    pro: 'Profile',
    po: 'Pod',
    svc: 'Service',
    no: 'Node',
    ns: 'Namespace',
    sa: 'ServiceAccount',
    deploy: 'Deployment',
    rs: 'ReplicaSet',
    cm: 'ConfigMap',
    netpol: 'NetworkPolicy',
  };
  for (const [name, kind] of Object.entries(wanted)) expect(kindByName(name)?.kind).toBe(kind);
  expect(kindByName('policy')?.group).toBe('projectcalico.org');
  expect(kindByName('netpol')?.group).toBe('networking.k8s.io');
  expect(kindByName('networkpolicies.networking.k8s.io')?.group).toBe('networking.k8s.io');
  expect(kindByName('nothing')).toBeUndefined();
});

test('kinds are told apart by apiVersion and by path', () => {
  expect(kindOf('networking.k8s.io/v1', 'NetworkPolicy')?.shortNames).toEqual(['netpol']);
  expect(kindOf('projectcalico.org/v3', 'NetworkPolicy')?.aliases).toContain('np');
  expect(kindOf('v1', 'pod')).toBeUndefined();
  expect(kindByPlural('', 'v1', 'pods')?.kind).toBe('Pod');
  expect(kindByPlural('apps', 'v1', 'pods')).toBeUndefined();
  const places = kinds.map(kind => `${kind.apiVersion}/${kind.plural}`);
  expect(new Set(places).size).toBe(kinds.length);
});

/** spec of calicoctl: narrow | wide, as its users know them. */
const CALICOCTL: Record<string, string> = {
  BGPConfiguration: 'NAME LOGSEVERITY MESHENABLED ASNUMBER |',
  BGPFilter: 'NAME NUMEXPORTV4 NUMIMPORTV4 NUMEXPORTV6 NUMIMPORTV6 |',
  BGPPeer: 'NAME PEERIP NODE ASN |',
  CalicoNodeStatus: 'NAME NODE | CLASSES',
  KubeControllersConfiguration: 'NAME |',
  StagedGlobalNetworkPolicy: 'NAME TIER | ORDER SELECTOR',
  StagedKubernetesNetworkPolicy: 'NAME | PODSELECTOR',
  StagedNetworkPolicy: 'NAME TIER | ORDER SELECTOR',
  ClusterInformation: 'NAME CLUSTERGUID CLUSTERTYPE CALICOVERSION DATASTOREREADY |',
  FelixConfiguration: 'NAME |',
  GlobalNetworkPolicy: 'NAME TIER | ORDER SELECTOR',
  NetworkPolicy: 'NAME TIER | ORDER SELECTOR',
  GlobalNetworkSet: 'NAME | NETS',
  NetworkSet: 'NAME | NETS',
  HostEndpoint: 'NAME NODE | INTERFACE IPS PROFILES',
  IPAMConfiguration: 'NAME STRICTAFFINITY AUTOALLOCATEBLOCKS | MAXBLOCKSPERHOST',
  IPReservation: 'NAME | CIDRS',
  Profile: 'NAME | LABELS',
  Tier: 'NAME ORDER |',
};

test.each(Object.entries(CALICOCTL))('calicoctl shows of %s: %s', (name, headings) => {
  const [narrow = '', extra = ''] = headings.split('|').map(part => part.trim());
  const table = kindByName(name)?.calicoctl;
  expect(table?.narrow.map(column => column.heading).join(' ')).toBe(narrow);
  expect(table?.wide.map(column => column.heading).join(' ')).toBe(`${narrow} ${extra}`.trim());
});

test('calicoctl shows pools and workload endpoints in two quite different tables', () => {
  const show = (name: string) => {
    const table = kindByName(name)?.calicoctl;
    return [table?.narrow, table?.wide].map(columns => columns?.map(column => column.heading).join(' '));
  };
  expect(show('ippool')).toEqual([
    'NAME CIDR SELECTOR',
    'NAME CIDR NAT IPIPMODE VXLANMODE DISABLED DISABLEBGPEXPORT SELECTOR ASSIGNMENTMODE',
  ]);
  expect(show('wep')).toEqual([
    'WORKLOAD NODE NETWORKS INTERFACE',
    'NAME WORKLOAD NODE NETWORKS INTERFACE PROFILES NATS',
  ]);
});

test('components are named as in Kubernetes', () => {
  const names = ['pod', 'deploy', 'netpol', 'lease', 'ippool'].map(name => {
    const kind = kindByName(name);
    return kind === undefined ? undefined : openApiName(kind);
  });
  expect(names).toEqual([
    'io.k8s.api.core.v1.Pod',
    'io.k8s.api.apps.v1.Deployment',
    'io.k8s.api.networking.v1.NetworkPolicy',
    'io.k8s.api.coordination.v1.Lease',
    'org.projectcalico.v3.IPPool',
  ]);
});

test('the published pod says how lists are merged', () => {
  const pod = kindByName('pod');
  const text = pod === undefined ? '' : JSON.stringify(openApiSchema(pod));
  expect(text).toContain('"x-kubernetes-list-map-keys":["containerPort","protocol"]');
  expect(text).toContain('"x-kubernetes-patch-merge-key":"containerPort"');
  const list = pod === undefined ? {} : openApiListSchema(pod, { $ref: '#/components/schemas/io.k8s.api.core.v1.Pod' });
  expect(list['x-kubernetes-group-version-kind']).toEqual([{ group: '', version: 'v1', kind: 'PodList' }]);
});

test('an integer or a string is published in the words of each version', () => {
  const gnp = kindByName('gnp') ?? unreachable();
  const protocol = (version: 'v2' | 'v3') => {
    let node: unknown = openApiSchema(gnp, version);
    for (const step of ['properties', 'spec', 'properties', 'ingress', 'items', 'properties', 'protocol']) {
      node = isObject(node) ? node[step] : undefined;
    }
    return node;
  };
  expect(protocol('v3')).toMatchObject({
    'x-kubernetes-int-or-string': true,
    anyOf: [{ type: 'integer' }, { type: 'string' }],
  });
  expect(protocol('v2')).toMatchObject({ type: 'string', format: 'int-or-string' });
});
