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

/** The answer to the shim: its exit code and how many bytes of it go to standard output; the rest is for standard error. */
export function printShimAnswer(exitCode: number, stdout: string, stderr: string): string {
  return `${exitCode} ${Buffer.byteLength(stdout)}\n${stdout}${stderr}`;
}
