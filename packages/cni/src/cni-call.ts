import { CniError, errorCodes } from './cni-error.ts';
import { type PodName, podNameOf } from './container-args.ts';
import type { CniParameters, CniPluginName, CniRequest } from './protocol.ts';

/** One call as the handler works on it. */
export interface CniCall {
  readonly plugin: CniPluginName;
  readonly parameters: CniParameters;
  readonly config: CniRequest['config'];
  readonly network: string;
  /** What addresses are held by: `<network>.<container>`. */
  readonly handle: string;
  /** The pod, or undefined for a container outside of Kubernetes. */
  readonly pod: PodName | undefined;
}

/** Reads a request. Throws CniError 4 on bad CNI_ARGS. */
export function readCall({ plugin, parameters, config }: CniRequest): CniCall {
  const network = String(config.name);
  const handle = `${network}.${parameters.containerId}`;
  return { plugin, parameters, config, network, handle, pod: podNameOf(parameters.args) };
}

/** The pod of a call. Throws CniError 4 when there is none. */
export function podOf({ pod, parameters }: CniCall): PodName {
  if (pod !== undefined) return pod;
  throw new CniError(
    errorCodes.invalidEnvironment,
    `Cannot set up container ${parameters.containerId}: CNI_ARGS has no K8S_POD_NAMESPACE and K8S_POD_NAME; allowed: both, containers outside of Kubernetes are not supported by the node agent yet`,
  );
}

/** What a veth's host end is marked with: `<network>/<container>/<interface>`. The kernel takes up to 255 bytes. */
export function attachmentMark(network: string, containerId: string, ifname: string): string {
  return `${network}/${containerId}/${ifname}`.slice(0, 255);
}

/** The mark of what a call is about. */
export function ownerMark({ network, parameters }: CniCall): string {
  return attachmentMark(network, parameters.containerId, parameters.ifname);
}
