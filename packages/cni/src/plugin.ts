import { statSync } from 'node:fs';
import { type AskTime, askAgent } from './ask-agent.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniCommand, CniParameters, CniPluginName, CniRequest } from './protocol.ts';
import { isAtLeast, newestVersion, supportedVersions, versionWhenAbsent } from './versions.ts';

// On the path of every pod's start: nothing is imported here but the socket and a few small files.

/** What a plugin is called with. Only what it prints goes to `stdout`. */
export interface PluginIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * The whole of standard input, or how to read it. Programs read and write by readFileSync and writeSync: starting the
   * streams of standard input and output takes 9 ms, the rest of the plugin 3.
   */
  readonly stdin: string | (() => string);
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** The name the program was called by, with or without its folder: `calico-ipam` is the IPAM plugin alone. */
  readonly argv0: string;
  /** The machine's clock unless given. */
  readonly time?: AskTime;
}

type Config = { readonly [field: string]: unknown };

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

const realTime: AskTime = {
  now: () => performance.now(),
  sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
};

/**
 * One call of the CNI plugin `calico` or `calico-ipam`: checks it, has the node agent do it, prints the result or the error
 * as the CNI specification 1.1.0 says. Gives the exit code: 0, or 1 after an error. Never rejects.
 */
export async function runCniPlugin(io: PluginIo): Promise<number> {
  let version = newestVersion;
  try {
    const command = io.env.CNI_COMMAND ?? '';
    if (command === 'VERSION') {
      print(io, { cniVersion: versionAsked(readStdin(io)), supportedVersions });
      return 0;
    }
    const known = asCommand(command);
    const parameters = readParameters(known, io.env);
    const config = parseConfig(readStdin(io));
    version = readVersion(known, config);
    checkNetworkName(config);
    checkNamespace(known, parameters, io.env);
    const request: CniRequest = {
      plugin: pluginName(io.argv0),
      command: known,
      parameters,
      config: { ...config, cniVersion: version },
    };
    const answer = await askAgent(request, {
      socketPath: socketPathOf(config, io.env),
      patienceMs: patienceOf(config) * 1000,
      time: io.time ?? realTime,
    });
    if ('error' in answer) throw new CniError(answer.error.code, answer.error.msg, answer.error.details);
    if (answer.output !== null) print(io, answer.output);
    return 0;
  } catch (error) {
    const code = error instanceof CniError ? error.code : errorCodes.internal;
    const details = error instanceof CniError ? error.details : undefined;
    const msg = error instanceof Error ? error.message : String(error);
    print(io, { cniVersion: version, code, msg, ...(details === undefined ? {} : { details }) });
    return 1;
  }
}

function print(io: PluginIo, value: object): void {
  io.stdout.write(`${JSON.stringify(value)}\n`);
}

function readStdin({ stdin }: PluginIo): string {
  if (typeof stdin === 'string') return stdin;
  try {
    return stdin();
  } catch (error) {
    throw new CniError(errorCodes.ioFailure, 'Cannot read network configuration from standard input', String(error));
  }
}

function pluginName(argv0: string): CniPluginName {
  return argv0.slice(argv0.lastIndexOf('/') + 1) === 'calico-ipam' ? 'calico-ipam' : 'calico';
}

function asCommand(text: string): CniCommand {
  if (Object.hasOwn(requiredVariables, text)) return text as CniCommand;
  throw new CniError(
    errorCodes.invalidEnvironment,
    `Cannot run plugin: CNI_COMMAND is "${text}"; allowed: ADD, DEL, CHECK, GC, STATUS, VERSION`,
  );
}

function readParameters(command: CniCommand, env: PluginIo['env']): CniParameters {
  const missing = requiredVariables[command].filter(name => !env[name]);
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

function parseConfig(stdin: string): Config {
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

function readVersion(command: CniCommand, { cniVersion = '' }: Config): string {
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
function versionAsked(stdin: string): string {
  try {
    const { cniVersion } = parseConfig(stdin);
    return typeof cniVersion === 'string' && cniVersion !== '' ? cniVersion : newestVersion;
  } catch {
    return newestVersion;
  }
}

function checkNetworkName({ name }: Config): void {
  if (typeof name === 'string' && /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) return;
  throw new CniError(
    errorCodes.invalidConfig,
    `Cannot read network configuration: name is ${JSON.stringify(name ?? '')}; allowed: letters, digits, "_", "." and "-"`,
  );
}

/** CNI_NETNS must be another network namespace than the plugin's own, which is the host's. */
function checkNamespace(command: CniCommand, { netns }: CniParameters, env: PluginIo['env']): void {
  if (command !== 'ADD' || env.CNI_NETNS_OVERRIDE) return;
  const own = statSync('/proc/self/ns/net', { throwIfNoEntry: false });
  const pod = statSync(netns, { throwIfNoEntry: false });
  if (own === undefined || pod === undefined || own.ino !== pod.ino || own.dev !== pod.dev) return;
  throw new CniError(errorCodes.sameNamespace, `Cannot ADD network: CNI_NETNS is "${netns}", the host's own namespace`);
}

function socketPathOf({ agent }: Config, env: PluginIo['env']): string {
  if (agent === undefined || agent === '') return `${env.CALICO_RUN_DIR || '/var/run/calico'}/cni.sock`;
  if (typeof agent === 'string' && agent.startsWith('/')) return agent;
  throw new CniError(
    errorCodes.invalidConfig,
    `Cannot read network configuration: agent is ${JSON.stringify(agent)}; allowed: the path of the node agent's socket`,
  );
}

function patienceOf({ agent_timeout_seconds: seconds = defaultPatienceSeconds }: Config): number {
  if (typeof seconds === 'number' && seconds >= 0) return seconds;
  throw new CniError(
    errorCodes.invalidConfig,
    `Cannot read network configuration: agent_timeout_seconds is ${JSON.stringify(seconds)}; allowed: a number from 0`,
  );
}
