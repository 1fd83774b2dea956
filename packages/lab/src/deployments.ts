import type { Deployment, Pod } from '@calico/api';

/** What has to be done so that a Deployment has the pods it asks for. */
export interface DeploymentPlan {
  readonly create: readonly Pod[];
  /** Names of pods to delete. */
  readonly remove: readonly string[];
  readonly status: {
    readonly observedGeneration: number;
    readonly replicas: number;
    readonly updatedReplicas: number;
    readonly readyReplicas: number;
    readonly availableReplicas: number;
    readonly unavailableReplicas: number;
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

/** The label by which pods of one version of the template know each other, as Kubernetes names it. */
const hashLabel = 'pod-template-hash';

/**
 * Plans one step of a Deployment: as many pods of the present template as replicas; those of an older template go once
 * the new ones are ready. `suffix` gives a new pod's last name part, `hash` a short text that differs where the template
 * does. Pure: the same arguments give the same plan.
 */
export function planDeployment(
  deployment: Deployment,
  pods: readonly Pod[],
  hash: (template: unknown) => string,
  suffix: () => string,
): DeploymentPlan {
  const version = hash(deployment.spec.template);
  const replicas = deployment.spec.replicas ?? 1;
  const own = pods.filter(pod => isOwnedBy(pod, deployment) && pod.metadata.deletionTimestamp === undefined);
  const current = own.filter(pod => pod.metadata.labels?.[hashLabel] === version);
  const old = own.filter(pod => pod.metadata.labels?.[hashLabel] !== version);
  const ready = current.filter(isReady);
  const surplus = [...current].sort(youngestAndUnreadyFirst).slice(0, Math.max(0, current.length - replicas));
  const missing = Math.max(0, replicas - current.length);
  const available = own.filter(isReady).length;
  return {
    create: Array.from({ length: missing }, () => newPod(deployment, version, suffix())),
    remove: [...surplus, ...(ready.length >= replicas ? old : [])].map(pod => pod.metadata.name),
    status: {
      observedGeneration: deployment.metadata.generation ?? 0,
      replicas: own.length,
      updatedReplicas: current.length,
      readyReplicas: available,
      availableReplicas: available,
      unavailableReplicas: Math.max(0, replicas - available),
      conditions: [
        condition('Available', available >= replicas, 'MinimumReplicasAvailable', 'MinimumReplicasUnavailable'),
        condition('Progressing', true, 'NewReplicaSetAvailable', ''),
      ],
    },
  };
}

/** Whether the pod's status says that it is ready. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false;
}

function isOwnedBy(pod: Pod, deployment: Deployment): boolean {
  return pod.metadata.ownerReferences?.some(owner => owner.uid === deployment.metadata.uid) ?? false;
}

function newPod(deployment: Deployment, version: string, suffix: string): Pod {
  const { template } = deployment.spec;
  const { name, namespace = 'default', uid = '' } = deployment.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-${version}-${suffix}`,
      namespace,
      labels: { ...template.metadata?.labels, [hashLabel]: version },
      ...(template.metadata?.annotations === undefined ? {} : { annotations: template.metadata.annotations }),
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true, blockOwnerDeletion: true },
      ],
    },
    spec: template.spec as Pod['spec'],
  };
}

function youngestAndUnreadyFirst(a: Pod, b: Pod): number {
  const byReadiness = Number(isReady(a)) - Number(isReady(b));
  return byReadiness || (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '');
}

function condition(type: string, holds: boolean, reason: string, otherwise: string) {
  return { type, status: holds ? 'True' : 'False', reason: holds ? reason : otherwise, message: '' };
}
