import type { Static } from 'typebox';
import {
  DUPLICATES,
  flag,
  integer,
  intOrString,
  lazy,
  list,
  listMap,
  mapOf,
  mergedBy,
  object,
  oneOf,
  open,
  text,
  textMap,
} from '../../schema/build.ts';

const protocol = () => oneOf(['TCP', 'UDP', 'SCTP'], { default: 'TCP', description: 'Protocol of the port.' });
const port = (description: string) => integer({ format: 'int32', minimum: 1, maximum: 65535, description });
const quantities = (description: string) => mapOf(intOrString(), { description });

const containerPort = lazy(() =>
  object(
    { containerPort: port('The port that the container listens on.') },
    {
      name: text({ description: 'A name for it, unique in the pod.' }),
      protocol: protocol(),
      hostPort: port('A port of the node that leads here.'),
      hostIP: text({ description: 'The address of the node that hostPort is for.' }),
    },
  ),
);

const env = lazy(() => object({ name: text() }, { value: text(), valueFrom: open() }));

const containerFields = () => ({
  image: text({ description: 'The image that runs.' }),
  command: list(text(), { description: "Instead of the image's entry point." }),
  args: list(text(), { description: "Instead of the image's command." }),
  workingDir: text(),
  ports: listMap(containerPort(), ['containerPort', 'protocol'], {
    ...mergedBy('containerPort'),
    ...DUPLICATES,
    description: 'Ports that the container listens on.',
  }),
  envFrom: list(open()),
  env: listMap(env(), ['name'], { ...mergedBy('name'), ...DUPLICATES, description: 'Environment variables.' }),
  resources: open({
    limits: quantities('The most it may use.'),
    requests: quantities('What it is sure to get.'),
    claims: list(open()),
  }),
  resizePolicy: list(open()),
  restartPolicy: text(),
  restartPolicyRules: list(open()),
  volumeMounts: list(open({ name: text(), mountPath: text() }), {
    ...mergedBy('mountPath'),
    description: 'Volumes of the pod that the container sees.',
  }),
  volumeDevices: list(open({ name: text(), devicePath: text() }), mergedBy('devicePath')),
  livenessProbe: open(),
  readinessProbe: open(),
  startupProbe: open(),
  lifecycle: open(),
  terminationMessagePath: text({ default: '/dev/termination-log' }),
  terminationMessagePolicy: text({ default: 'File' }),
  imagePullPolicy: oneOf(['Always', 'IfNotPresent', 'Never']),
  securityContext: open(),
  stdin: flag(),
  stdinOnce: flag(),
  tty: flag(),
});

const container = lazy(() =>
  object({ name: text({ minLength: 1, description: 'Unique in the pod.' }) }, containerFields()),
);
const ephemeralContainer = lazy(() =>
  object({ name: text({ minLength: 1 }) }, { ...containerFields(), targetContainerName: text() }),
);

/** What runs in a pod and where. Parts that nobody here interprets are open objects. */
export const podSpec = lazy(() =>
  object(
    {
      containers: listMap(container(), ['name'], { ...mergedBy('name'), minItems: 1, description: 'What runs.' }),
    },
    {
      initContainers: listMap(container(), ['name'], {
        ...mergedBy('name'),
        description: 'What runs before, one by one.',
      }),
      ephemeralContainers: listMap(ephemeralContainer(), ['name'], mergedBy('name')),
      volumes: listMap(open({ name: text() }), ['name'], {
        'x-kubernetes-patch-strategy': 'merge,retainKeys',
        'x-kubernetes-patch-merge-key': 'name',
        description: 'Volumes that containers can mount.',
      }),
      restartPolicy: oneOf(['Always', 'OnFailure', 'Never'], { default: 'Always' }),
      terminationGracePeriodSeconds: integer({ format: 'int64', default: 30, minimum: 0 }),
      activeDeadlineSeconds: integer({ format: 'int64' }),
      dnsPolicy: oneOf(['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'], { default: 'ClusterFirst' }),
      dnsConfig: open(),
      nodeSelector: textMap({ description: 'Labels that the node must have.', 'x-kubernetes-map-type': 'atomic' }),
      nodeName: text({ description: 'The node that the pod is on, once scheduled.' }),
      serviceAccountName: text({ description: 'The service account that the pod runs as.' }),
      serviceAccount: text({ description: 'An old name of serviceAccountName.' }),
      automountServiceAccountToken: flag(),
      hostNetwork: flag({ description: "Whether the pod uses the node's network." }),
      hostPID: flag(),
      hostIPC: flag(),
      hostUsers: flag(),
      hostname: text(),
      hostnameOverride: text(),
      subdomain: text(),
      setHostnameAsFQDN: flag(),
      shareProcessNamespace: flag(),
      securityContext: open(undefined, { default: {} }),
      imagePullSecrets: listMap(open({ name: text() }), ['name'], { ...mergedBy('name'), ...DUPLICATES }),
      affinity: open(),
      schedulerName: text({ default: 'default-scheduler' }),
      schedulingGates: listMap(open({ name: text() }), ['name'], mergedBy('name')),
      tolerations: list(open()),
      hostAliases: list(open({ ip: text() }), mergedBy('ip')),
      priorityClassName: text(),
      priority: integer({ format: 'int32' }),
      preemptionPolicy: text(),
      readinessGates: list(open()),
      resourceClaims: listMap(open({ name: text() }), ['name'], {
        'x-kubernetes-patch-strategy': 'merge,retainKeys',
        'x-kubernetes-patch-merge-key': 'name',
      }),
      resources: open(),
      runtimeClassName: text(),
      enableServiceLinks: flag({ default: true }),
      overhead: quantities('Resources of the pod beside its containers.'),
      os: open({ name: text() }),
      topologySpreadConstraints: list(open(), {
        ...mergedBy('topologyKey'),
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['topologyKey', 'whenUnsatisfiable'],
      }),
      workloadRef: open(),
    },
  ),
);

export type PodSpec = Static<ReturnType<typeof podSpec>>;
export type Container = Static<ReturnType<typeof container>>;
export type ContainerPort = Static<ReturnType<typeof containerPort>>;
