/** The commands that the plugin hands to the agent. */
export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';

/** The program's name under which it was called: the whole network of a pod, or its addresses alone. */
export type CniPluginName = 'calico' | 'calico-ipam';

/** The parameters of a call, from the environment variables CNI_*; empty text where one is not set. */
export interface CniParameters {
  readonly containerId: string;
  readonly netns: string;
  readonly ifname: string;
  /** CNI_ARGS: `KEY=value;KEY=value`. */
  readonly args: string;
}

/** One call of a plugin as it travels to the agent: one line of JSON on the agent's socket. */
export interface CniRequest {
  readonly plugin: CniPluginName;
  readonly command: CniCommand;
  readonly parameters: CniParameters;
  /** The network configuration from the plugin's standard input; cniVersion is always set. */
  readonly config: { readonly [field: string]: unknown };
  /** In an ADD: what the delegated IPAM plugin printed, once it has been asked for by {@link CniDelegate}. */
  readonly delegated?: object;
}

/** An error as a plugin prints it, without the version. CNI specification 1.1.0, "Error". */
export interface CniFailure {
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/**
 * Another IPAM plugin that the caller has to run with the same command. The caller does, because plugins and their files are
 * in its own mount namespace, which the agent's container need not see. After an ADD the request is sent again with the result.
 */
export interface CniDelegate {
  /** The executable's name in CNI_PATH. */
  readonly type: string;
  /** What it gets on its standard input. */
  readonly config: object;
}

/** The agent's answer, one line of JSON: what the plugin prints, `null` for nothing, or why it failed. */
export type CniAnswer =
  | { readonly output: object | null; readonly delegate?: CniDelegate }
  | { readonly error: CniFailure };
