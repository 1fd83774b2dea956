import { parseArgs } from 'node:util';
import { STATUS_FILE } from './status-file.ts';

/** What kube-controllers is told by its arguments. */
export type Command =
  | { readonly run: 'controllers'; readonly statusFile: string; readonly healthPort: number }
  | { readonly run: 'check-status'; readonly statusFile: string }
  | { readonly run: 'version' }
  | { readonly run: 'help' };

/** How it is called. */
export const USAGE = `Usage: calico component kube-controllers [--status-file PATH] [--health-port PORT]
       calico component kube-controllers check-status -r|-l [-f PATH]

  --status-file PATH  where readiness is written (${STATUS_FILE})
  --health-port PORT  serves /liveness and /readiness there; 0 is off (0)
  check-status        exit code 0 when the status file says that all parts are ready
    -r, --ready       whether it is ready
    -l, --live        the same: Calico's is live while it is ready
    -f, --file PATH   the status file (${STATUS_FILE})
  -v, --version       prints the version
`;

/** Reads arguments. Throws an Error that names what is not understood. */
export function readFlags(args: readonly string[]): Command {
  const [first, ...rest] = args;
  return first === 'check-status' ? checkStatusFlags(rest) : controllerFlags(args);
}

function controllerFlags(args: readonly string[]): Command {
  const { values } = parse(() =>
    parseArgs({
      args: [...args],
      options: {
        'status-file': { type: 'string', default: STATUS_FILE },
        'health-port': { type: 'string', default: '0' },
        version: { type: 'boolean', short: 'v', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  );
  if (values.help) return { run: 'help' };
  if (values.version) return { run: 'version' };
  const healthPort = Number(values['health-port']);
  if (!Number.isInteger(healthPort) || healthPort < 0 || healthPort > 65_535) {
    throw new Error(`Cannot start: --health-port is "${values['health-port']}"; allowed: 0 to 65535`);
  }
  return { run: 'controllers', statusFile: values['status-file'], healthPort };
}

function checkStatusFlags(args: readonly string[]): Command {
  const { values } = parse(() =>
    parseArgs({
      args: [...args],
      options: {
        ready: { type: 'boolean', short: 'r', default: false },
        live: { type: 'boolean', short: 'l', default: false },
        file: { type: 'string', short: 'f', default: STATUS_FILE },
        version: { type: 'boolean', short: 'v', default: false },
      },
    }),
  );
  if (values.version) return { run: 'version' };
  if (!values.ready && !values.live) throw new Error(`Cannot check: neither -r nor -l is given\n\n${USAGE}`);
  return { run: 'check-status', statusFile: values.file };
}

function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : cause}\n\n${USAGE}`, { cause });
  }
}
