import type { BgpSessionState, BirdProtocol, BirdRoute, BirdStatus } from './bird-control.ts';
import { BirdError } from './error.ts';
import type { ReplyLine } from './reply.ts';

// BIRD: doc/reply_codes
const VERSION = 1000;
const PROTOCOL = 1002;
const PROTOCOL_DETAILS = 1006;
const ROUTE = 1007;
const STATUS = 1011;
const GRACEFUL_RESTART = 24;

/** The answer to `show status`. Throws BirdError Malformed. */
export function parseStatus(lines: readonly ReplyLine[]): BirdStatus {
  const version = lines.find(({ code }) => code === VERSION)?.text.replace(/^BIRD /, '');
  const details = lines.filter(({ code }) => code === STATUS).map(({ text }) => text);
  const after = (start: string) => details.find(text => text.startsWith(start))?.slice(start.length) ?? '';
  const routerId = after('Router ID is ');
  const last = lines.at(-1);
  if (version === undefined || routerId === '' || last === undefined) throw malformed('show status', lines);
  return {
    version,
    routerId,
    currentTime: after('Current server time is '),
    lastReboot: after('Last reboot on '),
    lastReconfiguration: after('Last reconfiguration on '),
    recovering: lines.some(({ code }) => code === GRACEFUL_RESTART),
    message: last.text,
  };
}

/** The answer to `show protocols`. Throws BirdError Malformed. */
export function parseProtocols(lines: readonly ReplyLine[]): BirdProtocol[] {
  return lines.filter(({ code, text }) => code === PROTOCOL && text !== '').map(line => parseProtocol(line, lines));
}

/** The BGP sessions in the answer to `show protocols all`. Throws BirdError Malformed. */
export function parseBgpSessions(lines: readonly ReplyLine[]): BgpSessionState[] {
  const sessions: BgpSessionState[] = [];
  for (const [at, line] of lines.entries()) {
    if (line.code !== PROTOCOL || line.text === '') continue;
    const protocol = parseProtocol(line, lines);
    if (protocol.proto === 'BGP') sessions.push({ ...protocol, ...parseDetails(detailsAfter(lines, at)) });
  }
  return sessions;
}

/**
 * The answer to `show route`: a line for each route, the destination left out where it is that of the line before, then its next
 * hops behind tabs. Throws BirdError Malformed.
 */
export function parseRoutes(lines: readonly ReplyLine[]): BirdRoute[] {
  const routes: (BirdRoute & { readonly nexthops: { gateway: string | undefined; interfaceName: string }[] })[] = [];
  for (const { code, text } of lines) {
    if (code !== ROUTE || text === '' || text.startsWith('Table ')) continue;
    const hop = /^\t(?:via (\S+) on (\S+)|dev (\S+))/.exec(text);
    if (hop !== null) {
      routes.at(-1)?.nexthops.push({ gateway: hop[1], interfaceName: hop[2] ?? hop[3] ?? '' });
      continue;
    }
    const [, named = '', kind = '', from = '', mark] = /^(\S*)\s+(\w+)\s+\[(\S+)[^\]]*\](\s\*)?/.exec(text) ?? [];
    const destination = named || routes.at(-1)?.destination;
    if (kind === '' || destination === undefined) throw malformed('show route', lines);
    routes.push({ destination, kind, from, primary: mark !== undefined, nexthops: [] });
  }
  return routes;
}

/** Name, proto, table, state, since (a time, or a date and a time) and the rest. */
function parseProtocol({ text }: ReplyLine, lines: readonly ReplyLine[]): BirdProtocol {
  const parts = /^(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?|\S+)\s*(.*)$/.exec(text);
  if (parts === null) throw malformed('show protocols', lines);
  const [, name = '', proto = '', table = '', state = '', since = '', info = ''] = parts;
  return { name, proto, table, state, since, info: info.trim() };
}

function detailsAfter(lines: readonly ReplyLine[], at: number): string[] {
  const details: string[] = [];
  for (const { code, text } of lines.slice(at + 1)) {
    if (code !== PROTOCOL_DETAILS) break;
    details.push(text);
  }
  return details;
}

function parseDetails(details: readonly string[]): Omit<BgpSessionState, keyof BirdProtocol> {
  const textOf = (name: string): string | undefined => {
    const line = details.find(text => text.trim().startsWith(`${name}:`));
    return line
      ?.trim()
      .slice(name.length + 1)
      .trim();
  };
  const counts = details.flatMap(text => {
    const found = /^\s*Routes:\s+(\d+) imported, (?:\d+ filtered, )?(\d+) exported/.exec(text);
    return found === null ? [] : [{ imported: Number(found[1]), exported: Number(found[2]) }];
  });
  const sum = (a: { imported: number; exported: number }, b: typeof a) => ({
    imported: a.imported + b.imported,
    exported: a.exported + b.exported,
  });
  return {
    bgpState: textOf('BGP state') ?? '',
    neighbourAddress: textOf('Neighbor address') ?? '',
    neighbourAs: Number(textOf('Neighbor AS') ?? 0),
    lastError: textOf('Last error'),
    routes: counts.length === 0 ? undefined : counts.reduce(sum),
  };
}

function malformed(command: string, lines: readonly ReplyLine[]): BirdError {
  const text = JSON.stringify(lines.map(({ code, text }) => `${code} ${text}`).join('\n'));
  return new BirdError('Malformed', `Cannot read BIRD's answer to "${command}": it is ${text}`);
}
