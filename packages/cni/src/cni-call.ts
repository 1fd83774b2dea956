import { podNameOf, podUidOf } from './container-args.ts';
import type { CniParameters, CniPluginName, CniRequest } from './protocol.ts';
import { type Workload, workloadOf } from './workload.ts';

/** One call as the handler works on it. */
export interface CniCall {
  readonly plugin: CniPluginName;
  readonly command: CniRequest['command'];
  readonly parameters: CniParameters;
  readonly config: CniRequest['config'];
  readonly network: string;
  /** What addresses are held by: `<network>.<container>`. */
  readonly handle: string;
  readonly workload: Workload;
  /** Of the pod, where the runtime tells it. */
  readonly podUid: string | undefined;
  /** What a delegated IPAM plugin printed. */
  readonly delegated: object | undefined;
}

/** Reads a request. Throws CniError 4 on bad CNI_ARGS. */
export function readCall({ plugin, command, parameters, config, delegated }: CniRequest): CniCall {
  const network = String(config.name);
  const handle = `${network}.${parameters.containerId}`;
  const workload = workloadOf(podNameOf(parameters.args), parameters.containerId);
  const podUid = podUidOf(parameters.args);
  return { plugin, command, parameters, config, network, handle, workload, podUid, delegated };
}

/** What a veth's host end is marked with: `<network>/<container>/<interface>`. The kernel takes up to 255 bytes. */
export function attachmentMark(network: string, containerId: string, ifname: string): string {
  return `${network}/${containerId}/${ifname}`.slice(0, 255);
}

/** The mark of what a call is about. */
export function ownerMark({ network, parameters }: CniCall): string {
  return attachmentMark(network, parameters.containerId, parameters.ifname);
}

/** Which workload and container a log record is about. */
export function logFields({ workload, parameters }: CniCall): Record<string, unknown> {
  return { workload: workload.title, containerId: parameters.containerId };
}
