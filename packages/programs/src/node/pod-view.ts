import { Namespace, Pod, type Resource } from '@calico/api';
import type { SeenPod } from '@calico/cni';
import type { KindStatus, ObjectKey } from '@calico/datastore';

/**
 * The pods of this node, and all namespaces' labels and annotations, as Felix's view of the cluster shows them: so that an ADD
 * need not ask the API server for what the watch has brought already.
 */
export class PodView {
  readonly #nodeName: string;
  readonly #pods = new Map<string, Pod>();
  readonly #namespaces = new Map<string, Pick<Namespace, 'metadata'>>();

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  /** Takes in an object as the datastore has it, undefined for one that is gone. */
  onObject(kind: string, key: ObjectKey, object: Resource | undefined): void {
    if (kind === Pod.kind) this.#onPod(keyOfPod(key), object as Pod | undefined);
    else if (kind === Namespace.kind) this.#onNamespace(key.name, object as Namespace | undefined);
  }

  /** Whether the view of pods and namespaces follows the datastore at this moment. */
  isShownBy(kinds: readonly KindStatus[]): boolean {
    const ours = kinds.filter(({ kind }) => kind === Pod.kind || kind === Namespace.kind);
    return ours.length > 0 && ours.every(({ state, inSync }) => inSync && state === 'watching');
  }

  /** A pod of this node with its namespace; undefined as long as one of them has not been seen. */
  pod(key: ObjectKey): SeenPod | undefined {
    const pod = this.#pods.get(keyOfPod(key));
    const namespace = this.#namespaces.get(key.namespace ?? '');
    return pod === undefined || namespace === undefined ? undefined : { pod, namespace };
  }

  #onPod(key: string, pod: Pod | undefined): void {
    if (pod?.spec.nodeName === this.#nodeName) this.#pods.set(key, pod);
    else this.#pods.delete(key);
  }

  /** Only what choosing addresses asks for is kept: a cluster may have many. */
  #onNamespace(name: string, namespace: Namespace | undefined): void {
    if (namespace === undefined) {
      this.#namespaces.delete(name);
      return;
    }
    const { labels, annotations } = namespace.metadata;
    const metadata = { name, ...(labels && { labels }), ...(annotations && { annotations }) };
    this.#namespaces.set(name, { metadata });
  }
}

function keyOfPod({ namespace = 'default', name }: ObjectKey): string {
  return `${namespace}/${name}`;
}
