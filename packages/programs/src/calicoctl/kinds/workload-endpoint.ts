import { type CalicoctlTable, Pod, podToWorkloadEndpoint, unknownFields, WorkloadEndpoint } from '@calico/api';
import { type Client, DatastoreError } from '@calico/datastore';
import { type CtlKind, printId } from './ctl-kind.ts';
import { readOnlyMethods } from './stored-kind.ts';

/** Workload endpoints, derived from the pods that have a network of their own. */
export function workloadEndpointKind(table: CalicoctlTable): CtlKind {
  const list = async (client: Client, namespace?: string) => {
    const pods = await client.list(Pod, namespace === undefined ? {} : { namespace });
    const items = pods.items.flatMap(pod => podToWorkloadEndpoint(pod) ?? []);
    return { items, resourceVersion: pods.resourceVersion };
  };
  return {
    kind: 'WorkloadEndpoint',
    apiVersion: WorkloadEndpoint.apiVersion,
    plural: WorkloadEndpoint.plural,
    namespaced: true,
    aliases: [WorkloadEndpoint.singular, WorkloadEndpoint.plural, ...WorkloadEndpoint.aliases],
    table,
    list,
    get: async (client, key) => {
      // The name of an endpoint is made from node, pod and interface; it cannot be taken apart for sure.
      const { items } = await list(client, key.namespace);
      const found = items.find(endpoint => endpoint.metadata.name === key.name);
      if (found !== undefined) return found;
      const resource = printId({ kind: 'WorkloadEndpoint' }, key);
      throw new DatastoreError({
        code: 'NotFound',
        op: 'get',
        resource,
        reason: 'no pod has an endpoint of that name',
      });
    },
    ...readOnlyMethods('WorkloadEndpoint', 'workload endpoints are made from pods; change those'),
    unknownFields: value => unknownFields(WorkloadEndpoint, value),
    faults: () => [],
  };
}
