import { expect, test } from 'bun:test';
import { untyped, validationCases } from '../../testing.ts';
import { ConfigMap, Secret } from './config-map.ts';
import { Deployment } from './deployment.ts';
import { Namespace } from './namespace.ts';
import { Node } from './node.ts';
import { Pod } from './pod.ts';

const firstContainer = (change: Partial<Pod['spec']['containers'][number]>) => (p: Pod) => {
  p.spec.containers = [{ name: 'a', image: 'a:1', ...change }];
};

test.each([
  ...validationCases<Pod>(
    Pod,
    [
      { name: 'the example', change: () => {} },
      {
        name: 'parts that nobody here interprets',
        change: p => Object.assign(p.spec, { affinity: { a: { b: [1] } }, volumes: [{ name: 'v', emptyDir: {} }] }),
      },
      {
        name: 'the same port for two protocols',
        change: firstContainer({ ports: [{ containerPort: 53, protocol: 'UDP' }, { containerPort: 53 }] }),
      },
      { name: 'a node, once', change: () => {}, old: p => Reflect.deleteProperty(p.spec, 'nodeName') },
    ],
    [
      {
        name: 'no containers',
        change: p => (p.spec.containers = []),
        path: 'spec.containers',
        value: [],
        allowed: 'at least 1 item',
      },
      {
        name: 'a container without a name',
        change: p => (p.spec.containers = untyped([{ image: 'a' }])),
        path: 'spec.containers[0].name',
        allowed: 'a string',
      },
      {
        name: 'a container without an image',
        change: p => (p.spec.containers = [{ name: 'a' }]),
        path: 'spec.containers[0].image',
        allowed: 'the image',
      },
      {
        name: 'a name in capitals',
        change: firstContainer({ name: 'A' }),
        path: 'spec.containers[0].name',
        value: 'A',
        allowed: 'lower-case',
      },
      {
        name: 'a protocol that is none',
        change: firstContainer({ ports: untyped([{ containerPort: 1, protocol: 'ICMP' }]) }),
        path: 'spec.containers[0].ports[0].protocol',
        value: 'ICMP',
        allowed: '"TCP", "UDP", "SCTP"',
      },
      {
        name: 'port 0',
        change: firstContainer({ ports: [{ containerPort: 0 }] }),
        path: 'spec.containers[0].ports[0].containerPort',
        value: 0,
        allowed: 'from 1 to 65535',
      },
      {
        name: 'a long name of a port',
        change: firstContainer({ ports: [{ name: 'abcdefghijklmnop', containerPort: 1 }] }),
        path: 'spec.containers[0].ports[0].name',
        value: 'abcdefghijklmnop',
        allowed: 'at most 15',
      },
      {
        name: 'a name for an init container that is taken',
        change: p => (p.spec.initContainers = [{ name: 'server', image: 'x:1' }]),
        path: 'spec.initContainers[0].name',
        value: 'server',
        allowed: 'its own name',
      },
      {
        name: 'another node',
        change: p => (p.spec.nodeName = 'node-2'),
        old: () => {},
        path: 'spec.nodeName',
        value: 'node-2',
        allowed: 'stays on its node, "node-1"',
      },
      {
        name: 'the network of the node later',
        change: p => (p.spec.hostNetwork = true),
        old: p => Object.assign(p.spec.containers[0]?.ports?.[0] ?? {}, { hostPort: 8080 }),
        path: 'spec.hostNetwork',
        value: true,
        allowed: 'it is false',
      },
      {
        name: 'other ports later',
        change: firstContainer({ name: 'b' }),
        old: () => {},
        path: 'spec.containers',
        value: ['b'],
        allowed: 'make a new pod',
      },
    ],
  ),
  ...validationCases<Namespace>(
    Namespace,
    [
      { name: 'the example', change: () => {} },
      { name: 'a name alone', change: n => Reflect.deleteProperty(n, 'spec') },
    ],
    [
      {
        name: 'a name with a dot',
        change: n => (n.metadata.name = 'a.b'),
        path: 'metadata.name',
        value: 'a.b',
        allowed: 'at most 63',
      },
    ],
  ),
  ...validationCases<Node>(
    Node,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: 'a range that is none',
        change: n => (n.spec.podCIDR = 'x'),
        path: 'spec.podCIDR',
        value: 'x',
        allowed: 'a CIDR',
      },
      {
        name: 'a taint without effect',
        change: n => (n.spec.taints = untyped([{ key: 'a' }])),
        path: 'spec.taints[0].effect',
        allowed: '"NoSchedule"',
      },
    ],
  ),
  ...validationCases<Deployment>(
    Deployment,
    [
      { name: 'the example', change: () => {} },
      { name: 'more pods', change: d => (d.spec.replicas = 5), old: () => {} },
    ],
    [
      {
        name: 'less than no pods',
        change: d => (d.spec.replicas = -1),
        path: 'spec.replicas',
        value: -1,
        allowed: 'at least 0',
      },
      {
        name: 'no selector',
        change: d => Reflect.deleteProperty(d.spec, 'selector'),
        path: 'spec.selector',
        allowed: 'an object',
      },
      {
        name: 'a selector for all',
        change: d => (d.spec.selector = {}),
        path: 'spec.selector',
        value: {},
        allowed: 'at least one term',
      },
      {
        name: 'pods that are not its own',
        change: d => (d.spec.template.metadata = untyped({ labels: { app: 'x' } })),
        path: 'spec.template.metadata.labels',
        value: { app: 'x' },
        allowed: 'that spec.selector picks',
      },
      {
        name: 'another selector',
        change: d => (d.spec.selector.matchExpressions = [{ key: 'app', operator: 'Exists' }]),
        old: () => {},
        path: 'spec.selector',
        value: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'app', operator: 'Exists' }] },
        allowed: 'cannot be changed',
      },
      {
        name: 'pods that run once',
        change: d => Object.assign(d.spec.template.spec ?? {}, { restartPolicy: 'Never' }),
        path: 'spec.template.spec.restartPolicy',
        value: 'Never',
        allowed: '"Always"',
      },
      {
        name: 'an image missing',
        change: d => Reflect.deleteProperty(d.spec.template.spec?.containers[0] ?? {}, 'image'),
        path: 'spec.template.spec.containers[0].image',
        allowed: 'the image',
      },
      {
        name: 'a surge in words',
        change: d => (d.spec.strategy = { rollingUpdate: { maxSurge: 'some' } }),
        path: 'spec.strategy.rollingUpdate.maxSurge',
        value: 'some',
        allowed: '"25%"',
      },
      {
        name: 'a rolling way to recreate',
        change: d => (d.spec.strategy = { type: 'Recreate', rollingUpdate: { maxSurge: 1 } }),
        path: 'spec.strategy.rollingUpdate',
        value: { maxSurge: 1 },
        allowed: 'not allowed when',
      },
    ],
  ),
  ...validationCases<ConfigMap>(
    ConfigMap,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: 'a key with a slash',
        change: m => (m.data = { 'a/b': 'c' }),
        path: 'data',
        value: 'a/b',
        allowed: 'every key must be',
      },
      {
        name: 'a change of what is immutable',
        change: m => Object.assign(m, { immutable: true, data: {} }),
        old: m => Object.assign(m, { immutable: true }),
        path: 'data',
        value: '…',
        allowed: 'immutable is true',
      },
    ],
  ),
  ...validationCases<Secret>(
    Secret,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: 'plain text in data',
        change: s => (s.data = { a: 'p@ss' }),
        path: 'data[a]',
        value: '…',
        allowed: 'must be base64',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});

test('a pod gets what Kubernetes fills in', () => {
  const { spec } = Pod.default(Pod.example());
  expect(spec).toMatchObject({
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
    serviceAccountName: 'default',
    serviceAccount: 'default',
    enableServiceLinks: true,
    securityContext: {},
  });
  expect(spec.containers[0]).toMatchObject({ imagePullPolicy: 'IfNotPresent', resources: {} });
  const latest = Pod.default({ ...Pod.example(), spec: { containers: [{ name: 'a', image: 'host:5000/a' }] } });
  expect(latest.spec.containers[0]?.imagePullPolicy).toBe('Always');
});

test('a deployment gets one replica and a rolling update', () => {
  const { spec } = Deployment.default(Deployment.example());
  expect(spec.strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } });
  expect(spec.progressDeadlineSeconds).toBe(600);
});

test('a namespace is labelled with its name', () => {
  expect(Namespace.default(Namespace.example()).metadata.labels).toEqual({
    team: 'checkout',
    'kubernetes.io/metadata.name': 'shop',
  });
});

test('plain text of a secret moves into its data', () => {
  const secret = Secret.default({ ...Secret.example(), stringData: { user: 'ann' } });
  expect(secret.data).toEqual({ password: 'c2VjcmV0', user: 'YW5u' });
  expect(Object.hasOwn(secret, 'stringData')).toBe(false);
});

test('a pod may name a variable twice, as Kubernetes lets it', () => {
  const pod = Pod.example();
  pod.spec.containers = [
    {
      name: 'a',
      image: 'a:1',
      env: [
        { name: 'A', value: '1' },
        { name: 'A', value: '2' },
      ],
      ports: [{ containerPort: 80 }, { containerPort: 80 }],
    },
  ];
  expect(Pod.validate(Pod.default(pod))).toEqual([]);
});
