import { CniError, errorCodes } from './cni-error.ts';

/** A pod as CNI_ARGS names it. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** What CNI_ARGS says. Throws CniError 4 on text that is no list of `KEY=value` with semicolons between. */
export function containerArgs(args: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const pair of args.split(';').filter(text => text !== '')) {
    const at = pair.indexOf('=');
    if (at < 0) {
      throw new CniError(
        errorCodes.invalidEnvironment,
        `Cannot read CNI_ARGS: a part is "${pair}"; allowed: KEY=value with ";" between`,
      );
    }
    values.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return values;
}

/**
 * The pod that CNI_ARGS names by K8S_POD_NAMESPACE and K8S_POD_NAME, or undefined when it names none: use without
 * Kubernetes. Half a name is none, as for Calico: podman gives a name without a namespace. Throws CniError 4 on what is no CNI_ARGS.
 */
export function podNameOf(args: string): PodName | undefined {
  const values = containerArgs(args);
  const namespace = values.get('K8S_POD_NAMESPACE') ?? '';
  const name = values.get('K8S_POD_NAME') ?? '';
  return namespace === '' || name === '' ? undefined : { namespace, name };
}

/** The pod's uid, which containerd and CRI-O tell as K8S_POD_UID. Throws CniError 4 on what is no CNI_ARGS. */
export function podUidOf(args: string): string | undefined {
  return containerArgs(args).get('K8S_POD_UID') || undefined;
}
