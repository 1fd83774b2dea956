import type { LogFile } from '@calico/process/log-file';
import type { CniHandler } from './handler.ts';
import { answerCall, asked, NotHere, type Perform } from './plugin.ts';
import { isStandalone, socketPathOf } from './plugin-input.ts';
import type { ShimAnswer, ShimCall } from './shim-call.ts';

/**
 * Answers a call by the shim with what the plugin itself would do and print: the same code, run here. Undefined where the plugin has to run
 * as a process after all: its configuration wants no agent or another one, or a plugin that is in the caller's namespace. The
 * log's file is in the caller's namespace too, and the shim's to write.
 */
export async function answerShim(call: ShimCall, handler: CniHandler): Promise<ShimAnswer | undefined> {
  let [stdout, stderr] = ['', ''];
  let file: LogFile | undefined;
  const io = {
    env: call.env,
    stdin: call.stdin,
    argv0: call.argv0,
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    appendToLog: async (to: LogFile) => {
      file = to;
    },
  };
  const perform: Perform = async (_io, _time, _log, request) => {
    if (isStandalone(request.config) || socketPathOf(request.config, call.env) !== call.socketPath) throw new NotHere();
    const { output, delegate } = await asked(handler, request);
    if (delegate !== undefined) throw new NotHere();
    return output;
  };
  try {
    const exitCode = await answerCall(io, perform);
    return { exitCode, stdout, stderr, ...(file && { log: file }) };
  } catch (error) {
    if (error instanceof NotHere) return undefined;
    throw error;
  }
}
