import { statSync } from 'node:fs';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniCommand, CniParameters, CniPluginName } from './protocol.ts';
import { isAtLeast, newestVersion, supportedVersions, versionWhenAbsent } from './versions.ts';

type Environment = Readonly<Record<string, string | undefined>>;
/** A network configuration as it came, checked for being an object only. */
export type Config = { readonly [field: string]: unknown };

const defaultPatienceSeconds = 20;
/** Which variables each command needs. CNI specification 1.1.0, "CNI operations". */
const requiredVariables: Readonly<Record<CniCommand, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
};
/** The version of the specification that brought each command. */
const commandSince: Readonly<Record<CniCommand, string>> = {
  ADD: '0.1.0',
  DEL: '0.1.0',
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
};

/** Which of the two plugins a program is that was called by this name. */
export function pluginName(argv0: string): CniPluginName {
  return argv0.slice(argv0.lastIndexOf('/') + 1) === 'calico-ipam' ? 'calico-ipam' : 'calico';
}

/** Throws CniError 4 on a command that there is not. */
export function asCommand(text: string): CniCommand {
  if (Object.hasOwn(requiredVariables, text)) return text as CniCommand;
  throw new CniError(
    errorCodes.invalidEnvironment,
    `Cannot run plugin: CNI_COMMAND is "${text}"; allowed: ADD, DEL, CHECK, GC, STATUS, VERSION`,
  );
}

/** The parameters of a command. Throws CniError 4 on one that is missing or malformed. */
export function readParameters(command: CniCommand, env: Environment): CniParameters {
  const missing: string[] = [];
  for (const name of requiredVariables[command]) if (!env[name]) missing.push(name);
  if (missing.length > 0) {
    throw new CniError(errorCodes.invalidEnvironment, `Cannot ${command} network: ${missing.join(', ')} not set`);
  }
  const {
    CNI_CONTAINERID: containerId = '',
    CNI_NETNS: netns = '',
    CNI_IFNAME: ifname = '',
    CNI_ARGS: args = '',
  } = env;
  if (containerId !== '' && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(containerId)) {
    throw badVariable(
      command,
      'CNI_CONTAINERID',
      containerId,
      'letters, digits, "_", "." and "-", the first a letter or digit',
    );
  }
  if (ifname !== '' && (new TextEncoder().encode(ifname).length > 15 || /^\.{1,2}$|[/:\s]/.test(ifname))) {
    throw badVariable(
      command,
      'CNI_IFNAME',
      ifname,
      'at most 15 bytes without "/", ":" or white space, not "." or ".."',
    );
  }
  return { containerId, netns, ifname, args };
}

function badVariable(command: string, name: string, value: string, allowed: string): CniError {
  return new CniError(
    errorCodes.invalidEnvironment,
    `Cannot ${command} network: ${name} is "${value}"; allowed: ${allowed}`,
  );
}

/** Throws CniError 6 on what is no JSON object. */
export function parseConfig(stdin: string): Config {
  let value: unknown;
  try {
    value = JSON.parse(stdin);
  } catch (error) {
    const reason = stdin.trim() === '' ? 'standard input is empty' : String(error);
    throw new CniError(errorCodes.undecodable, 'Cannot read network configuration: it is no JSON', reason);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CniError(errorCodes.undecodable, 'Cannot read network configuration: it is no JSON object');
  }
  return value as Config;
}

/** The version of the specification that a configuration is written in. Throws CniError 1 when it cannot be served. */
export function readVersion(command: CniCommand, { cniVersion = '' }: Config): string {
  const version = cniVersion === '' ? versionWhenAbsent : cniVersion;
  if (typeof version !== 'string' || !supportedVersions.includes(version)) {
    throw new CniError(
      errorCodes.incompatibleVersion,
      `Cannot ${command} network: cniVersion is ${JSON.stringify(version)}; allowed: ${supportedVersions.join(', ')}`,
    );
  }
  const since = commandSince[command];
  if (isAtLeast(version, since)) return version;
  throw new CniError(
    errorCodes.incompatibleVersion,
    `Cannot ${command} network: cniVersion is "${version}"; allowed: ${since} or newer for this command`,
  );
}

/** The version that a VERSION call asks in; whatever comes on standard input, it is answered. */
export function versionAsked(stdin: string): string {
  try {
    const { cniVersion } = parseConfig(stdin);
    return typeof cniVersion === 'string' && cniVersion !== '' ? cniVersion : newestVersion;
  } catch {
    return newestVersion;
  }
}

/** Throws CniError 7 on a name that the specification does not allow. */
export function checkNetworkName({ name }: Config): void {
  if (typeof name === 'string' && /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) return;
  throw new CniError(
    errorCodes.invalidConfig,
    `Cannot read network configuration: name is ${JSON.stringify(name ?? '')}; allowed: letters, digits, "_", "." and "-"`,
  );
}

/** CNI_NETNS must be another network namespace than the plugin's own, which is the host's. */
export function checkNamespace(command: CniCommand, { netns }: CniParameters, env: Environment): void {
  if (command !== 'ADD' || env.CNI_NETNS_OVERRIDE) return;
  const own = statSync('/proc/self/ns/net', { throwIfNoEntry: false });
  const pod = statSync(netns, { throwIfNoEntry: false });
  if (own === undefined || pod === undefined || own.ino !== pod.ino || own.dev !== pod.dev) return;
  throw new CniError(errorCodes.sameNamespace, `Cannot ADD network: CNI_NETNS is "${netns}", the host's own namespace`);
}

/** Whether this process does the work itself. */
export function isStandalone({ agent }: Config): boolean {
  return agent === 'none';
}

/** Where the node agent listens. Throws CniError 7 on a field that is no path. */
export function socketPathOf({ agent }: Config, env: Environment): string {
  if (agent === undefined || agent === '') return `${env.CALICO_RUN_DIR || '/var/run/calico'}/cni.sock`;
  if (typeof agent === 'string' && agent.startsWith('/')) return agent;
  throw new CniError(
    errorCodes.invalidConfig,
    `Cannot read network configuration: agent is ${JSON.stringify(agent)}; allowed: the path of the node agent's socket, or "none" to work without one`,
  );
}

/** How long an agent that is away is waited for, in seconds. Throws CniError 7. */
export function patienceOf({ agent_timeout_seconds: seconds = defaultPatienceSeconds }: Config): number {
  if (typeof seconds === 'number' && seconds >= 0) return seconds;
  throw new CniError(
    errorCodes.invalidConfig,
    `Cannot read network configuration: agent_timeout_seconds is ${JSON.stringify(seconds)}; allowed: a number from 0`,
  );
}
