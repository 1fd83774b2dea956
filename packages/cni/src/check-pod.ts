import { parseCidr } from '@calico/ip';
import { type CniCall, podOf } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniDeps } from './deps.ts';
import { parseNetworkConfig } from './network-config.ts';
import { missingFromPod } from './pod-network.ts';
import { withPodPlace } from './pod-place.ts';

/**
 * Checks that a pod's network is as the ADD made it: both interfaces up, the addresses of `prevResult`, the pod's default
 * routes, the host's routes. Throws CniError 999 that names all that is missing, 7 without a `prevResult`.
 */
export async function checkPod(deps: CniDeps, call: CniCall): Promise<void> {
  const { previousAddresses } = parseNetworkConfig(call.config, deps.nodeName);
  const pod = podOf(call);
  if (previousAddresses === undefined) {
    throw new CniError(
      errorCodes.invalidConfig,
      'Cannot CHECK network: prevResult is absent; allowed: the result of the ADD',
    );
  }
  const addresses = previousAddresses.map(text => {
    const parsed = parseCidr(text);
    if (parsed !== undefined) return parsed.addr;
    throw new CniError(
      errorCodes.invalidConfig,
      `Cannot CHECK network: prevResult.ips.address is "${text}"; allowed: a CIDR`,
    );
  });
  const missing = await withPodPlace(deps, call, pod, async place => missingFromPod(place, addresses));
  if (missing.length === 0) return;
  throw new CniError(
    errorCodes.internal,
    `Network of pod ${pod.namespace}/${pod.name} is not as it was set up: ${missing.join('; ')}`,
  );
}
