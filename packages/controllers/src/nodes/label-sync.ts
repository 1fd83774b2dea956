import { isDeepStrictEqual } from 'node:util';
import { CalicoNode, Node } from '@calico/api';
import { isNotFound } from '@calico/datastore';
import { type ControllerContext, controllerQueue } from '../context.ts';
import type { WorkQueue } from '../work-queue.ts';
import { kubernetesNameOf, nodeDirectory } from './directory.ts';

/** Which of a node's labels were copied, as JSON: only those are taken away with their originals. */
const KUBE_LABELS = 'projectcalico.org/kube-labels';

type Labels = Readonly<Record<string, string>>;

/** Calico's node with the labels of Kubernetes'; undefined when it has them already. Pure. */
export function withKubernetesLabels(node: CalicoNode, wanted: Labels): CalicoNode | undefined {
  const { labels = {}, annotations = {} } = node.metadata;
  const copied = parseLabels(annotations[KUBE_LABELS]);
  const own = Object.entries(labels).filter(([key]) => copied[key] === undefined || wanted[key] !== undefined);
  const next = { ...Object.fromEntries(own), ...wanted };
  const noted = JSON.stringify(Object.fromEntries(Object.entries(wanted).sort(([a], [b]) => (a < b ? -1 : 1))));
  if (isDeepStrictEqual(next, labels) && isDeepStrictEqual(parseLabels(noted), copied)) return undefined;
  return {
    ...node,
    metadata: { ...node.metadata, labels: next, annotations: { ...annotations, [KUBE_LABELS]: noted } },
  };
}

function parseLabels(text: string | undefined): Labels {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Labels) : {};
  } catch {
    return {};
  }
}

/** For Calico's nodes in etcd: copies labels of Kubernetes' nodes to them, and deletes those whose node is gone. */
export function startNodeSync(
  context: ControllerContext,
  config: { readonly reconcilerMs: number; readonly workers: number; readonly syncLabels: boolean },
): WorkQueue {
  const { stores, views, log } = context;
  const directory = nodeDirectory(stores, views);
  const nodes = views.of(stores.kubernetes, Node);
  const calicoNodes = views.of(stores.calico, CalicoNode);
  const queue = controllerQueue(context, {
    name: 'node',
    workers: config.workers,
    resyncMs: () => config.reconcilerMs,
    keys: () => calicoNodes.items.keys(),
    reconcile: async name => {
      const node = calicoNodes.items.get(name);
      const kubernetesName = node && kubernetesNameOf(node);
      if (node === undefined || kubernetesName === undefined) return;
      const original = nodes.items.get(kubernetesName);
      if (original !== undefined) {
        const next = config.syncLabels ? withKubernetesLabels(node, original.metadata.labels ?? {}) : undefined;
        if (next !== undefined) await stores.calico.update(CalicoNode, next);
        return;
      }
      // Views may be behind: both stores are asked before a node is deleted.
      if ((await directory.read(name)).state !== 'gone') return;
      const { uid, resourceVersion } = node.metadata;
      try {
        await stores.calico.delete(
          CalicoNode,
          { name },
          { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) },
        );
        log.info({ node: name, kubernetesName }, 'deleted a node that Kubernetes no longer has');
      } catch (err) {
        if (!isNotFound(err)) throw err;
      }
    },
  });
  calicoNodes.listen(name => queue.touch(name));
  nodes.listen(name => {
    for (const known of directory.namesOf(name)) queue.touch(known);
  });
  return queue;
}
