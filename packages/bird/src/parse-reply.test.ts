import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseBgpSessions, parseProtocols, parseRoutes, parseStatus } from './parse-reply.ts';
import { type ReplyLine, ReplyReader } from './reply.ts';

function read(text: string): ReplyLine[] {
  return new ReplyReader().read(text).flat();
}

const STATUS = `1000-BIRD 2.0.12
1011-Router ID is 192.0.2.1
 Hostname is node1
 Current server time is 2026-01-01 00:00:09.000
 Last reboot on 2026-01-01 00:00:00.000
 Last reconfiguration on 2026-01-01 00:00:01.000
0024-Graceful restart recovery in progress
   Waiting for 1 channels to recover
   Wait timer is 21.000/30
0013 Daemon is up and running
`;

const PROTOCOLS = `2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     2026-01-01 00:00:00.000  
1006-
1002-Mesh_192_0_2_12 BGP        ---        up     2026-01-01 00:00:02.500  Established   
1006-  BGP state:          Established
     Neighbor address: 192.0.2.12
     Neighbor AS:      64512
   Channel ipv4
     Routes:         3 imported, 1 filtered, 2 exported, 3 preferred
   Channel ipv6
     Routes:         1 imported, 4 exported, 0 preferred
1006-
1002-Global_fd00__1 BGP        ---        start  00:00:03.250      Active        Socket: Connection refused
1006-  BGP state:          Active
     Neighbor address: fd00::1
     Neighbor AS:      64600
     Last error:       Socket: Connection refused
1006-
0000 
`;

// As BIRD 2.0.12 prints it.
const ROUTES = `1007-Table master4:
 10.65.0.0/26         blackhole [static1 2026-11-21 11:34:15.217] * (200)
 192.0.2.0/24         unicast [direct1 2026-11-21 11:34:15.224] * (240)
 \tdev eth0
                      blackhole [static1 2026-11-21 11:34:15.217] (200)
 10.67.0.0/24         unicast [Mesh_192_0_2_9 2026-11-21 11:34:15.217 from 192.0.2.9] * (100/0) [i]
 \tvia 192.0.2.9 on eth0
 \tvia 192.0.2.10 on eth1 weight 2
 
 Table master6:
 fd00:1::/64          unreachable [static2 2026-11-21 11:34:15.217] * (200)
0000 
`;

describe('answers of BIRD', () => {
  test('to show route, with destinations that repeat and several next hops', () => {
    const at = (destination: string, kind: string, from: string, primary: boolean, ...nexthops: object[]) => ({
      destination,
      kind,
      from,
      primary,
      nexthops,
    });
    expect(parseRoutes(read(ROUTES)) as unknown[]).toEqual([
      at('10.65.0.0/26', 'blackhole', 'static1', true),
      at('192.0.2.0/24', 'unicast', 'direct1', true, { gateway: undefined, interfaceName: 'eth0' }),
      at('192.0.2.0/24', 'blackhole', 'static1', false),
      at(
        '10.67.0.0/24',
        'unicast',
        'Mesh_192_0_2_9',
        true,
        { gateway: '192.0.2.9', interfaceName: 'eth0' },
        { gateway: '192.0.2.10', interfaceName: 'eth1' },
      ),
      at('fd00:1::/64', 'unreachable', 'static2', true),
    ]);
    expect(parseRoutes(read('0000 \n'))).toEqual([]);
    expect(() => parseRoutes(read('1007-nonsense\n0000 \n'))).toThrow('show route');
  });

  test('to show status', () => {
    expect(parseStatus(read(STATUS))).toEqual({
      version: '2.0.12',
      routerId: '192.0.2.1',
      currentTime: '2026-01-01 00:00:09.000',
      lastReboot: '2026-01-01 00:00:00.000',
      lastReconfiguration: '2026-01-01 00:00:01.000',
      recovering: true,
      message: 'Daemon is up and running',
    });
  });

  test('to show protocols, with times in both formats', () => {
    expect(parseProtocols(read(PROTOCOLS)).map(({ name, since, info }) => [name, since, info])).toEqual([
      ['device1', '2026-01-01 00:00:00.000', ''],
      ['Mesh_192_0_2_12', '2026-01-01 00:00:02.500', 'Established'],
      ['Global_fd00__1', '00:00:03.250', 'Active        Socket: Connection refused'],
    ]);
  });

  test('to show protocols all', () => {
    const protocol = { proto: 'BGP', table: '---' };
    expect(parseBgpSessions(read(PROTOCOLS))).toEqual([
      {
        ...protocol,
        name: 'Mesh_192_0_2_12',
        state: 'up',
        since: '2026-01-01 00:00:02.500',
        info: 'Established',
        bgpState: 'Established',
        neighbourAddress: '192.0.2.12',
        neighbourAs: 64512,
        lastError: undefined,
        routes: { imported: 4, exported: 6 },
      },
      {
        ...protocol,
        name: 'Global_fd00__1',
        state: 'start',
        since: '00:00:03.250',
        info: 'Active        Socket: Connection refused',
        bgpState: 'Active',
        neighbourAddress: 'fd00::1',
        neighbourAs: 64600,
        lastError: 'Socket: Connection refused',
        routes: undefined,
      },
    ]);
  });

  test('are the same however the stream is cut', () => {
    const text = STATUS + PROTOCOLS;
    const whole = new ReplyReader().read(text);
    expect(whole.length).toBe(2);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), cuts => {
        const reader = new ReplyReader();
        const ends = [...cuts, text.length].sort((a, b) => a - b);
        const replies = ends.flatMap((end, i) => reader.read(text.slice(ends[i - 1] ?? 0, end)));
        expect(replies).toEqual(whole);
      }),
    );
  });

  test('pass over news that nobody asked for', () => {
    expect(read('+something logged\n0000 \n')).toEqual([{ code: 0, text: '' }]);
  });

  test('that are none are refused', () => {
    for (const text of ['hello\n', ' repeats nothing\n', '12-\n']) {
      expect(() => read(text)).toThrow(/Cannot read BIRD's answer/);
    }
  });
});
