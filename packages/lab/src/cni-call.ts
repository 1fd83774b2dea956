import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';

/** What a container runtime tells a CNI plugin about one pod. */
export interface CniCall {
  /** The plugin's executable, under the name by which it is called. */
  readonly plugin: string;
  /** Network configuration of one plugin, as JSON. */
  readonly config: string;
  readonly containerId: string;
  readonly netns: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly podUid: string;
  /** The network namespace of the node, in which the plugin runs. */
  readonly node: Namespace;
}

/** A plugin's answer to ADD, as far as the lab reads it. CNI specification 1.1.0, "ADD Success". */
export interface CniResult {
  readonly ips?: readonly { readonly address: string }[];
}

/** A plugin that ended with an error. CNI specification 1.1.0, "Error". */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: number | undefined;

  constructor(command: string, call: CniCall, code: number | undefined, text: string) {
    super(
      `Cannot ${command} network of pod ${call.podNamespace}/${call.podName}: plugin answered ${code ?? 'no code'}: ${text}`,
    );
    this.code = code;
  }
}

/** Calls the plugin as a container runtime does: parameters in the environment, configuration on standard input. */
export async function callCni(command: 'ADD' | 'DEL' | 'CHECK', call: CniCall): Promise<CniResult> {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: call.containerId,
    CNI_NETNS: call.netns,
    CNI_IFNAME: 'eth0',
    CNI_PATH: call.plugin.slice(0, call.plugin.lastIndexOf('/')),
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${call.podNamespace};K8S_POD_NAME=${call.podName};K8S_POD_INFRA_CONTAINER_ID=${call.containerId};K8S_POD_UID=${call.podUid}`,
    PATH: process.env.PATH ?? '',
  };
  const stdin = new TextEncoder().encode(call.config);
  const plugin = inNamespace(call.node, () => Bun.spawn([call.plugin], { env, stdin, stdout: 'pipe', stderr: 'pipe' }));
  const [output, diagnosis, exitCode] = await Promise.all([
    new Response(plugin.stdout).text(),
    new Response(plugin.stderr).text(),
    plugin.exited,
  ]);
  if (exitCode === 0) return output.trim() === '' ? {} : (JSON.parse(output) as CniResult);
  const { code, text } = parseError(output);
  throw new CniError(command, call, code, text ?? (diagnosis.trim() || `exit code ${exitCode}`));
}

function parseError(output: string): { code?: number; text?: string } {
  try {
    const { code, msg, details } = JSON.parse(output) as { code?: number; msg?: string; details?: string };
    return {
      ...(code === undefined ? {} : { code }),
      ...(msg === undefined ? {} : { text: details ? `${msg}: ${details}` : msg }),
    };
  } catch {
    return output.trim() === '' ? {} : { text: output.trim() };
  }
}
