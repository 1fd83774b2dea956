import { familyOf } from '../oracle/address.ts';
import type { PodSpec, RawResource } from '../oracle/resources.ts';
import type { Dice } from './dice.ts';

/** A generated pod, before it has an address. */
export interface CasePod {
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name`, the key of `bind`. */
  readonly key: string;
  readonly node: string;
  /** The pod as JSON, without status. */
  readonly resource: RawResource;
}

/** The part of a case that needs no addresses. */
export interface World {
  readonly namespaces: readonly string[];
  readonly tiers: readonly string[];
  readonly pods: readonly CasePod[];
  /** Services, each with the pods behind it. */
  readonly services: readonly { readonly name: string; readonly namespace: string }[];
  /** Namespaces, ServiceAccounts, Tiers (the three that every cluster has among them); pods not. */
  readonly resources: readonly RawResource[];
}

/** Values that labels take, so that selectors can be made to hit. */
export const vocabulary = {
  app: ['web', 'api', 'db', 'cache'],
  tier: ['front', 'back'],
  team: ['red', 'blue', 'green'],
  env: ['prod', 'dev'],
  rank: ['senior', 'junior'],
  trust: ['yes', 'no'],
  accounts: ['ops', 'batch'],
} as const;

/** The names that container ports have, with the numbers and protocols they may stand for on one pod or another. */
export const portNames: Readonly<Record<string, readonly { containerPort: number; protocol: string }[]>> = {
  http: [
    { containerPort: 80, protocol: 'TCP' },
    { containerPort: 8080, protocol: 'TCP' },
  ],
  sql: [
    { containerPort: 5432, protocol: 'TCP' },
    { containerPort: 3306, protocol: 'TCP' },
  ],
  dns: [
    { containerPort: 53, protocol: 'UDP' },
    { containerPort: 5353, protocol: 'UDP' },
    { containerPort: 53, protocol: 'TCP' },
  ],
  signal: [{ containerPort: 2905, protocol: 'SCTP' }],
};

/** A random cluster; size 1 has two namespaces and four pods, each further size a little more. */
export function makeWorld(dice: Dice, size: number, nodes: number): World {
  const namespaces = ['shop', 'bank', 'lab', 'mail'].slice(0, Math.min(4, 1 + size));
  const accounts = namespaces.flatMap(namespace => [
    { namespace, name: 'default', labels: {} },
    ...vocabulary.accounts.map(name => ({ namespace, name, labels: labels(dice, ['rank'], 80) })),
  ]);
  const tiers = makeTiers(dice);
  const pods = dice.times(2 + 2 * size, index => {
    const namespace = index < namespaces.length ? (namespaces[index] ?? 'shop') : dice.pick(namespaces);
    return makePod(dice, namespace, `pod-${index}`, `node-${1 + (index % nodes)}`);
  });
  const services = namespaces.flatMap(namespace => ['front', 'store'].map(name => ({ namespace, name })));
  return {
    namespaces,
    services,
    tiers: ['default', ...tiers.map(({ metadata }) => metadata.name)],
    pods,
    resources: [
      ...namespaces.map(
        (name): RawResource => ({
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: { name, labels: { ...labels(dice, ['team', 'env'], 75), 'kubernetes.io/metadata.name': name } },
        }),
      ),
      ...accounts.map((metadata): RawResource => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })),
      ...builtInTiers,
      ...tiers,
    ],
  };
}

/** The tiers that every cluster has, as the API server serves them. */
const builtInTiers: readonly RawResource[] = [
  tier('kube-admin', 1000, 'Pass'),
  tier('default', 1_000_000, 'Deny'),
  tier('kube-baseline', 10_000_000, 'Pass'),
];

/** Up to three tiers, before and after `default`; equal orders happen, names then decide. */
function makeTiers(dice: Dice): RawResource[] {
  return dice
    .some(['audit', 'platform', 'security'], 0, 3)
    .map(name => tier(name, dice.pick([10, 10, 500, 999_999.5, 2_000_000]), dice.pick(['Deny', 'Pass', undefined])));
}

function tier(name: string, order: number, defaultAction: string | undefined): RawResource {
  const spec = { order, ...(defaultAction === undefined ? {} : { defaultAction }) };
  return { apiVersion: 'projectcalico.org/v3', kind: 'Tier', metadata: { name }, spec };
}

function makePod(dice: Dice, namespace: string, name: string, node: string): CasePod {
  const named = dice
    .some(Object.keys(portNames), 0, 3)
    .map(each => ({ name: each, ...dice.pick(portNames[each] ?? []) }));
  const ports = dice.percent(30) ? [...named, { containerPort: 9000 }] : named;
  const resource: RawResource = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: labels(dice, ['app', 'tier'], 85) },
    spec: {
      nodeName: node,
      serviceAccountName: dice.pick(['default', ...vocabulary.accounts]),
      containers: [{ name: 'main', image: 'example', ports }],
    },
  };
  return { namespace, name, key: `${namespace}/${name}`, node, resource };
}

/** A random value for each key of the vocabulary; a key is left out now and then. */
export function labels(
  dice: Dice,
  keys: readonly (keyof typeof vocabulary)[],
  share: number,
): Readonly<Record<string, string>> {
  return Object.fromEntries(keys.filter(() => dice.percent(share)).map(key => [key, dice.pick(vocabulary[key])]));
}

/** The ports that the pod's containers declare. */
export function containerPorts(pod: CasePod | undefined): { containerPort: number; protocol: string }[] {
  const { containers = [] } = (pod?.resource.spec ?? {}) as PodSpec;
  return containers.flatMap(({ ports = [] }) => ports.map(({ protocol = 'TCP', ...port }) => ({ ...port, protocol })));
}

/** What the cluster's controllers write for the world's services: some pods of the namespace, by family, on ports that they listen on. */
export function endpointSlices(
  dice: Dice,
  world: World,
  addressesOf: (pod: CasePod) => readonly string[],
): RawResource[] {
  return world.services.flatMap(({ namespace, name }) => {
    const behind = dice.some(
      world.pods.filter(pod => pod.namespace === namespace),
      1,
      3,
    );
    const listening = behind.flatMap(containerPorts);
    const ports = dice.some(listening.length > 0 ? listening : Object.values(portNames).flat(), 1, 3);
    return ([4, 6] as const).flatMap((family): RawResource[] => {
      const endpoints = behind
        .map(pod => addressesOf(pod).filter(each => familyOf(each) === family))
        .filter(addresses => addresses.length > 0)
        .map(addresses => ({ addresses }));
      if (endpoints.length === 0) return [];
      const slice = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { namespace, name: `${name}-${family}`, labels: { 'kubernetes.io/service-name': name } },
        addressType: `IPv${family}`,
        endpoints,
        ports: ports.map(({ containerPort, protocol }, index) => ({
          name: `port-${index}`,
          port: containerPort,
          protocol,
        })),
      };
      return [slice];
    });
  });
}
