import { type CalicoctlTable, type Kind, Pod, podToWorkloadEndpoint, WorkloadEndpoint } from '@calico/api';
import { DatastoreError } from '@calico/datastore';
import { byDatastore, type CtlKind, type CtlMethods, printId } from './ctl-kind.ts';
import { describedKind, readOnlyMethods, storedMethods } from './stored-kind.ts';

const list: CtlMethods['list'] = async ({ client }, namespace) => {
  const pods = await client.list(Pod, namespace === undefined ? {} : { namespace });
  const items = pods.items.flatMap(pod => podToWorkloadEndpoint(pod) ?? []);
  return { items, resourceVersion: pods.resourceVersion };
};

/** Endpoints of a Kubernetes cluster, derived from the pods that have a network of their own. */
const derived: CtlMethods = {
  list,
  get: async (store, key) => {
    // The name of an endpoint is made from node, pod and interface; it cannot be taken apart for sure.
    const { items } = await list(store, key.namespace);
    const found = items.find(endpoint => endpoint.metadata.name === key.name);
    if (found !== undefined) return found;
    const resource = printId({ kind: 'WorkloadEndpoint' }, key);
    throw new DatastoreError({ code: 'NotFound', op: 'get', resource, reason: 'no pod has an endpoint of that name' });
  },
  ...readOnlyMethods('WorkloadEndpoint', 'workload endpoints are made from pods; change those'),
};

/** Interfaces of workloads. */
export function workloadEndpointKind(kind: Kind, table: CalicoctlTable): CtlKind {
  return {
    ...describedKind(kind, table),
    ...byDatastore({ kubernetes: derived, etcdv3: storedMethods(WorkloadEndpoint) }),
  };
}
