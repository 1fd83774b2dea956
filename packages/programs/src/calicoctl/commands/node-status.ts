import { parseAddr } from '@calico/ip';
import { Failure } from '../failure.ts';
import { printBoxTable } from '../output/box-table.ts';
import type { BgpSession, World } from '../world.ts';

/** What made a peer, by the start of BIRD's name for it. */
const PEER_TYPES: readonly { readonly start: string; readonly type: string }[] = [
  { start: 'Mesh_', type: 'node-to-node mesh' },
  { start: 'Node_', type: 'node specific' },
  { start: 'Global_', type: 'global' },
];
const HEADINGS = ['Peer address', 'Peer type', 'State', 'Since', 'Info'];

/** `calicoctl node status`: whether the node's programs run, and its BGP sessions. */
export async function runNodeStatus(world: World): Promise<void> {
  const { running, sessions } = await world.nodeState();
  if (!running && sessions === undefined) throw new Failure('Calico process is not running.');
  world.out('Calico process is running.\n');
  if (sessions === undefined) world.out('\nThe BGP daemon (BIRD) is not running.\n');
  else world.out(printSessions(sessions));
}

/** One table per family. Sessions that Calico did not configure for a peer of the node are left out. Pure. */
export function printSessions(sessions: readonly BgpSession[]): string {
  const rows = sessions.flatMap(session => {
    const type = PEER_TYPES.find(({ start }) => session.name.startsWith(start))?.type;
    if (type === undefined) return [];
    const { neighbourAddress: address, state, since, info } = session;
    return [{ family: parseAddr(address)?.family, cells: [address, type, state, since, info] }];
  });
  const part = (family: 4 | 6): string => {
    const own = rows.filter(row => row.family === family).map(row => row.cells);
    const table = own.length === 0 ? `No IPv${family} peers found.\n` : printBoxTable(HEADINGS, own);
    return `\nIPv${family} BGP status\n${table}`;
  };
  return part(4) + part(6);
}
