import { isAbsent, type Namespace } from '@calico/kernel';
import type { CniCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniDeps } from './deps.ts';
import type { PodPlace } from './pod-network.ts';

/** Opens a pod's namespace for a piece of work. Throws CniError 4 when there is no such namespace. */
export async function withPodPlace<T>(deps: CniDeps, call: CniCall, work: (place: PodPlace) => Promise<T>): Promise<T> {
  const { netns, ifname } = call.parameters;
  const podNamespace = openPodNamespace(deps, netns);
  if (podNamespace === undefined) {
    throw new CniError(
      errorCodes.invalidEnvironment,
      `Cannot open network namespace: CNI_NETNS is "${netns}", which is absent`,
    );
  }
  try {
    const podKernel = deps.openKernel(podNamespace);
    try {
      const { hostName } = call.workload;
      return await work({ hostKernel: deps.kernel, podKernel, podNamespace, hostName, podName: ifname });
    } finally {
      podKernel.close();
    }
  } finally {
    podNamespace.close();
  }
}

/** Opens a pod's namespace, undefined when it is gone (or was not named). Other failures are KernelErrors. */
export function openPodNamespace(
  { openNamespace }: Pick<CniDeps, 'openNamespace'>,
  path: string,
): Namespace | undefined {
  if (path === '') return undefined;
  try {
    return openNamespace(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
