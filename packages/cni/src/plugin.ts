import { type AskTime, askAgent } from './ask-agent.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { DelegateRun } from './delegate.ts';
import {
  asCommand,
  type Config,
  checkNamespace,
  checkNetworkName,
  isStandalone,
  parseConfig,
  patienceOf,
  pluginName,
  readParameters,
  readVersion,
  socketPathOf,
  versionAsked,
} from './plugin-input.ts';
import { type AppendToLog, openPluginLog, type PluginLog } from './plugin-log.ts';

export type { CniRequest, PluginLog };
export { CniError, errorCodes };

import type { CniAnswer, CniRequest } from './protocol.ts';
import { newestVersion, supportedVersions } from './versions.ts';

// On the path of every pod's start: nothing is imported here but the socket and a few small files, and what the runtime makes
// on first use (an array's filter and map 0.15 ms, Buffer 0.1 ms) is not used where nothing fails.

/** Answers one request. */
export type Ask = (request: CniRequest) => Promise<CniAnswer>;

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
  /** Opens what does the work of a request in this very process, for `"agent": "none"`; without it such a configuration is refused. */
  standalone?(request: CniRequest, log: PluginLog): Promise<{ readonly ask: Ask; close(): Promise<void> }>;
  /** Writes to the log's file; this process does, and waits for the disk, unless given. */
  readonly appendToLog?: AppendToLog;
  /** The machine's clock unless given. */
  readonly time?: AskTime;
  /** Told what has just been done: `asked`, `delegated`, `answered`. Tests end the process there. */
  onPhase?(phase: string): void;
}

const realTime: AskTime = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
};

/**
 * One call of the CNI plugin `calico` or `calico-ipam`: checks it, has the node agent do it, prints the result or the error
 * as the CNI specification 1.1.0 says. Gives the exit code: 0, or 1 after an error. Never rejects.
 */
export async function runCniPlugin(io: PluginIo): Promise<number> {
  return await answerCall(io, perform);
}

/** Does the work of a call that has been checked. Gives what the plugin prints, null for nothing; rejects with CniError. */
export type Perform = (io: PluginIo, time: AskTime, log: PluginLog, request: CniRequest) => Promise<object | null>;

/** Somebody else has to answer the call: it is not for the process that has it. */
export class NotHere extends Error {}

/** Checks a call, has it performed, prints. Gives the exit code. Rejects with NotHere alone, and has printed nothing then. */
export async function answerCall(io: PluginIo, perform: Perform): Promise<number> {
  const time = io.time ?? realTime;
  const startedAt = time.now();
  let version = newestVersion;
  let log: PluginLog | undefined;
  let fields: Record<string, unknown> = {};
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
    fields = { command, network: config.name, containerId: parameters.containerId, args: parameters.args };
    log = openLog(io, known, config, time);
    checkNamespace(known, parameters, io.env);
    const plugin = pluginName(io.argv0);
    const output = await perform(io, time, log, {
      plugin,
      command: known,
      parameters,
      config: { ...config, cniVersion: version },
    });
    io.onPhase?.('answered');
    if (output !== null) print(io, output);
    log.info({ ...fields, ms: Math.round(time.now() - startedAt) }, 'CNI call done');
    return 0;
  } catch (error) {
    if (error instanceof NotHere) throw error;
    const code = error instanceof CniError ? error.code : errorCodes.internal;
    const details = error instanceof CniError ? error.details : undefined;
    const msg = error instanceof Error ? error.message : String(error);
    print(io, { cniVersion: version, code, msg, ...(details === undefined ? {} : { details }) });
    log?.error({ ...fields, code, ...(details === undefined ? {} : { details }), error: msg }, 'CNI call failed');
    return 1;
  } finally {
    await log?.flush();
  }
}

/** Does the work, by the agent or in this process, with other IPAM plugins run from here. */
async function perform(io: PluginIo, time: AskTime, log: PluginLog, request: CniRequest): Promise<object | null> {
  const { config } = request;
  if (!isStandalone(config)) {
    const options = { socketPath: socketPathOf(config, io.env), patienceMs: patienceOf(config) * 1000, time };
    return await withDelegates(io, log, request, each => askAgent(each, options));
  }
  if (io.standalone === undefined) {
    throw new CniError(errorCodes.invalidConfig, 'Cannot work without an agent: agent is "none"; allowed: a socket');
  }
  const standalone = await io.standalone(request, log);
  try {
    return await withDelegates(io, log, request, standalone.ask);
  } finally {
    await standalone.close();
  }
}

/** Asks, and runs the IPAM plugin that the answer may name. What a failed ADD has got from one is given back. */
async function withDelegates(io: PluginIo, log: PluginLog, request: CniRequest, ask: Ask): Promise<object | null> {
  const { command } = request;
  const { output, delegate } = await asked(ask, request);
  io.onPhase?.('asked');
  if (delegate === undefined) return output;
  const { runDelegate } = await import('./delegate.ts');
  const run: DelegateRun = as => runDelegate(as, delegate, io.env);
  const result = await run(command).catch(async error => {
    if (command !== 'ADD') throw error;
    // An ADD may be repeated, which host-local refuses as long as it has addresses for the container.
    await run('DEL');
    return await run(command);
  });
  io.onPhase?.('delegated');
  if (command !== 'ADD') return output;
  try {
    return (await asked(ask, { ...request, delegated: result ?? {} })).output;
  } catch (error) {
    await run('DEL').catch(err => log.warn({ err }, 'Addresses of a failed ADD could not be released'));
    throw error;
  }
}

/** What the agent answers, but for failures, which reject with CniError. */
export async function asked(ask: Ask, request: CniRequest): Promise<Exclude<CniAnswer, { error: unknown }>> {
  const answer = await ask(request);
  if (!('error' in answer)) return answer;
  throw new CniError(answer.error.code, answer.error.msg, answer.error.details);
}

/** Bad log fields refuse everything but a DEL, which has to succeed whatever else the configuration says. */
function openLog(io: PluginIo, command: string, config: Config, time: AskTime): PluginLog {
  try {
    return openPluginLog(config, io.stderr, () => time.wallTime(), io.appendToLog);
  } catch (error) {
    if (command !== 'DEL') throw error;
    return openPluginLog({}, io.stderr, () => time.wallTime());
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
