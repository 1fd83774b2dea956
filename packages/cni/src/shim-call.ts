import type { LogFile } from '@calico/process/log-file';

/** A call of the plugin as the shim (`shim/calico.c`) hands it over, with nothing decided yet. */
export interface ShimCall {
  /** The name that the shim was called by, without its folder. */
  readonly argv0: string;
  /** The socket that it took for the agent's. */
  readonly socketPath: string;
  /** The variables CNI_* and CALICO_*. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
}

/**
 * How many bytes follow the first line of a call by the shim, `call <bytes>`; undefined for another line. What follows: the name, the
 * socket and every variable, each ended by a zero byte, an empty text ended so, and standard input.
 */
export function shimCallSize(line: string): number | undefined {
  const size = /^call (\d+)$/.exec(line)?.[1];
  return size === undefined ? undefined : Number(size);
}

/** Reads what follows the first line; undefined when it ends too early. */
export function parseShimCall(bytes: Buffer): ShimCall | undefined {
  const texts: string[] = [];
  for (let start = 0; ; ) {
    const end = bytes.indexOf(0, start);
    if (end < 0) return undefined;
    const text = bytes.toString('utf8', start, end);
    start = end + 1;
    if (text !== '' || texts.length < 2) {
      texts.push(text);
      continue;
    }
    const [argv0 = '', socketPath = '', ...variables] = texts;
    const env = Object.fromEntries(variables.map(each => splitOnce(each)));
    return { argv0, socketPath, env, stdin: bytes.toString('utf8', start) };
  }
}

function splitOnce(variable: string): readonly [string, string] {
  const at = variable.indexOf('=');
  return at < 0 ? [variable, ''] : [variable.slice(0, at), variable.slice(at + 1)];
}

/** What the shim is to do, and its whole life then: print, end with the code, and append what it prints to standard error to a log. */
export interface ShimAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly log?: LogFile;
}

/** Lines of a log that the shim can't append itself, for the plugin with `-append-to-log` on its standard input, as JSON. */
export interface LogRequest {
  readonly file: LogFile;
  readonly lines: string;
  /** The program's. */
  readonly exitCode: number;
}

/**
 * The answer to the shim: a line with the exit code, the sizes in bytes of the output, of the errors and of the log's path, and the
 * size that its file may have; then these, the path ended by a zero byte, and a LogRequest.
 */
export function printShimAnswer({ exitCode, stdout, stderr, log }: ShimAnswer): string {
  const sizes = [stdout, stderr].map(text => Buffer.byteLength(text)).join(' ');
  if (log === undefined || stderr === '') return `${exitCode} ${sizes} 0 0\n${stdout}${stderr}`;
  const path = `${log.path}\0`;
  const request: LogRequest = { file: log, lines: stderr, exitCode };
  return `${exitCode} ${sizes} ${Buffer.byteLength(path)} ${log.maxBytes}\n${stdout}${stderr}${path}${JSON.stringify(request)}`;
}
