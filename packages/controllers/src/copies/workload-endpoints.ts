import { isDeepStrictEqual } from 'node:util';
import { Pod, podToWorkloadEndpoint, WorkloadEndpoint } from '@calico/api';
import { printKey } from '@calico/datastore';
import type { CopyConfig } from '../config/run-config.ts';
import { type ControllerContext, controllerQueue } from '../context.ts';
import type { WorkQueue } from '../work-queue.ts';

/** What of a pod its endpoint follows after the CNI plugin has made it. */
interface PodLabels {
  /** `namespace/name` of the endpoint. */
  readonly endpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string | undefined;
}

/** The endpoint as its pod is now; undefined when it is so already. Pure. */
export function updatedEndpoint(endpoint: WorkloadEndpoint, pod: PodLabels): WorkloadEndpoint | undefined {
  const { metadata, spec } = endpoint;
  if (isDeepStrictEqual(metadata.labels ?? {}, pod.labels) && spec.serviceAccountName === pod.serviceAccount) {
    return undefined;
  }
  const { serviceAccountName: _before, ...rest } = spec;
  const account = pod.serviceAccount === undefined ? {} : { serviceAccountName: pod.serviceAccount };
  return { ...endpoint, metadata: { ...metadata, labels: { ...pod.labels } }, spec: { ...rest, ...account } };
}

/** What of a pod matters here. Pure. */
export function podLabels(pod: Pod): PodLabels {
  const endpoint = podToWorkloadEndpoint(pod);
  return {
    endpoint: endpoint === undefined ? '' : printKey(endpoint.metadata),
    labels: endpoint?.metadata.labels ?? {},
    serviceAccount: endpoint?.spec.serviceAccountName,
  };
}

/** Keeps the labels of pods' endpoints in etcd as those of the pods. It never makes one: that is the CNI plugin's. */
export function startWorkloadEndpointUpdates(context: ControllerContext, config: CopyConfig): WorkQueue {
  const { stores, views, log } = context;
  const pods = views.keep(stores.kubernetes, Pod, podLabels);
  const endpoints = views.of(stores.calico, WorkloadEndpoint);
  const podOf = new Map<string, string>();
  const queue = controllerQueue(context, {
    name: 'workloadendpoint',
    workers: config.workers,
    resyncMs: () => config.reconcilerMs,
    keys: () => endpoints.items.keys(),
    reconcile: async key => {
      const endpoint = endpoints.items.get(key);
      const pod = pods.items.get(podOf.get(key) ?? '');
      const next = endpoint && pod && updatedEndpoint(endpoint, pod);
      if (next === undefined) return;
      await stores.calico.update(WorkloadEndpoint, next);
      log.info({ controller: 'workloadendpoint', object: key }, 'labels of an endpoint brought up to date');
    },
  });
  pods.listen((key, pod, before) => {
    if (before !== undefined && podOf.get(before.endpoint) === key) podOf.delete(before.endpoint);
    if (pod === undefined || pod.endpoint === '') return;
    podOf.set(pod.endpoint, key);
    queue.touch(pod.endpoint);
  });
  endpoints.listen(key => queue.touch(key));
  return queue;
}
