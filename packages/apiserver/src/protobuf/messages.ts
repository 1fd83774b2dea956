/**
 * Field numbers of the objects that kubectl's own commands build (`kubectl create namespace`, `… deployment`, …).
 * Source: the generated.proto files that Kubernetes publishes with each API group.
 */
import type { Field, FieldType, Message } from './decode.ts';

const field = (name: string, type: FieldType): Field => ({ name, type });
const string = (name: string): Field => field(name, { kind: 'string' });
const strings = (name: string): Field => ({ ...string(name), repeated: true });
const bool = (name: string): Field => field(name, { kind: 'bool' });
const integer = (name: string): Field => field(name, { kind: 'integer' });
const intOrString = (name: string): Field => field(name, { kind: 'intOrString' });
const map = (name: string, value: 'string' | 'bytes' = 'string'): Field => field(name, { kind: 'map', value });
const message = (name: string, of: () => Message): Field => field(name, { kind: 'message', message: of });
const messages = (name: string, of: () => Message): Field => ({ ...message(name, of), repeated: true });
/** What the server decides anyway. */
const ignored = (name: string): Field => field(name, { kind: 'ignored' });
const optional = (of: Field): Field => ({ ...of, optional: true });

const ownerReference: Message = {
  1: string('kind'),
  3: string('name'),
  4: string('uid'),
  5: string('apiVersion'),
  6: optional(bool('controller')),
  7: optional(bool('blockOwnerDeletion')),
};
const objectMeta: Message = {
  1: string('name'),
  2: string('generateName'),
  3: string('namespace'),
  4: ignored('selfLink'),
  5: string('uid'),
  6: string('resourceVersion'),
  7: integer('generation'),
  8: ignored('creationTimestamp'),
  9: ignored('deletionTimestamp'),
  10: ignored('deletionGracePeriodSeconds'),
  11: map('labels'),
  12: map('annotations'),
  13: messages('ownerReferences', () => ownerReference),
  14: strings('finalizers'),
  17: ignored('managedFields'),
};
const metadata = message('metadata', () => objectMeta);

const namespace: Message = {
  1: metadata,
  2: message('spec', () => ({ 1: strings('finalizers') })),
  3: ignored('status'),
};
const serviceAccount: Message = {
  1: metadata,
  3: messages('imagePullSecrets', () => ({ 1: string('name') })),
  4: optional(bool('automountServiceAccountToken')),
};
const configMap: Message = {
  1: metadata,
  2: map('data'),
  3: map('binaryData', 'bytes'),
  4: optional(bool('immutable')),
};
const secret: Message = {
  1: metadata,
  2: map('data', 'bytes'),
  3: string('type'),
  4: map('stringData'),
  5: optional(bool('immutable')),
};

const servicePort: Message = {
  1: string('name'),
  2: string('protocol'),
  3: integer('port'),
  4: intOrString('targetPort'),
  5: integer('nodePort'),
  6: optional(string('appProtocol')),
};
const serviceSpec: Message = {
  1: messages('ports', () => servicePort),
  2: map('selector'),
  3: string('clusterIP'),
  4: string('type'),
  5: strings('externalIPs'),
  7: string('sessionAffinity'),
  8: string('loadBalancerIP'),
  9: strings('loadBalancerSourceRanges'),
  10: string('externalName'),
  11: string('externalTrafficPolicy'),
  12: integer('healthCheckNodePort'),
  13: bool('publishNotReadyAddresses'),
  17: optional(string('ipFamilyPolicy')),
  18: strings('clusterIPs'),
  19: strings('ipFamilies'),
  20: optional(bool('allocateLoadBalancerNodePorts')),
  21: optional(string('loadBalancerClass')),
  22: optional(string('internalTrafficPolicy')),
  23: optional(string('trafficDistribution')),
};
const service: Message = { 1: metadata, 2: message('spec', () => serviceSpec), 3: ignored('status') };

const labelSelector: Message = {
  1: map('matchLabels'),
  2: messages('matchExpressions', () => ({ 1: string('key'), 2: string('operator'), 3: strings('values') })),
};
const container: Message = {
  1: string('name'),
  2: string('image'),
  3: strings('command'),
  4: strings('args'),
  5: string('workingDir'),
  6: messages('ports', () => ({
    1: string('name'),
    2: integer('hostPort'),
    3: integer('containerPort'),
    4: string('protocol'),
    5: string('hostIP'),
  })),
  7: messages('env', () => ({ 1: string('name'), 2: string('value') })),
  13: string('terminationMessagePath'),
  14: string('imagePullPolicy'),
  16: bool('stdin'),
  17: bool('stdinOnce'),
  18: bool('tty'),
  20: string('terminationMessagePolicy'),
};
const podSpec: Message = {
  2: messages('containers', () => container),
  3: string('restartPolicy'),
  4: optional(integer('terminationGracePeriodSeconds')),
  5: optional(integer('activeDeadlineSeconds')),
  6: string('dnsPolicy'),
  7: map('nodeSelector'),
  8: string('serviceAccountName'),
  9: string('serviceAccount'),
  10: string('nodeName'),
  11: bool('hostNetwork'),
  19: string('schedulerName'),
  20: messages('initContainers', () => container),
};
const pod: Message = { 1: metadata, 2: message('spec', () => podSpec), 3: ignored('status') };
const rollingUpdate: Message = { 1: intOrString('maxUnavailable'), 2: intOrString('maxSurge') };
const deploymentSpec: Message = {
  1: optional(integer('replicas')),
  2: optional(message('selector', () => labelSelector)),
  3: message('template', () => ({ 1: metadata, 2: message('spec', () => podSpec) })),
  4: message('strategy', () => ({ 1: string('type'), 2: message('rollingUpdate', () => rollingUpdate) })),
  5: integer('minReadySeconds'),
  6: optional(integer('revisionHistoryLimit')),
  7: bool('paused'),
  9: optional(integer('progressDeadlineSeconds')),
};
const deployment: Message = { 1: metadata, 2: message('spec', () => deploymentSpec), 3: ignored('status') };

const deleteOptions: Message = {
  1: optional(integer('gracePeriodSeconds')),
  2: message('preconditions', () => ({ 1: optional(string('uid')), 2: optional(string('resourceVersion')) })),
  3: optional(bool('orphanDependents')),
  4: optional(string('propagationPolicy')),
  5: strings('dryRun'),
};
const review: Message = { 1: ignored('metadata'), 2: ignored('spec'), 3: ignored('status') };

/** Every type that can be sent in protobuf, as `<apiVersion>/<kind>`. */
export const protobufMessages: { readonly [type: string]: Message } = {
  'v1/Namespace': namespace,
  'v1/ServiceAccount': serviceAccount,
  'v1/ConfigMap': configMap,
  'v1/Secret': secret,
  'v1/Service': service,
  'v1/Pod': pod,
  'apps/v1/Deployment': deployment,
  'v1/DeleteOptions': deleteOptions,
  'meta.k8s.io/v1/DeleteOptions': deleteOptions,
  'authorization.k8s.io/v1/SelfSubjectAccessReview': review,
  'authorization.k8s.io/v1/SelfSubjectRulesReview': review,
  'authentication.k8s.io/v1/SelfSubjectReview': review,
};
