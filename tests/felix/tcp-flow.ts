import { readFileSync } from 'node:fs';
import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';

/** A connection that lives as long as the prober: what is sent comes back. */
export interface TcpFlow {
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly port: number;
}

/** What became of all connections. */
export interface TcpFate {
  readonly connections: number;
  readonly alive: number;
  readonly sentBytes: number;
  readonly echoedBytes: number;
  readonly resets: number;
  /** Segments sent again that had been lost indeed: those that the other side had already are not among them (RFC 2883). */
  readonly lostSegments: number;
}

const sendEveryMs = 5;
const lastWaitMs = 2_000;
const line = new Uint8Array(64).fill(120);

/** Opens connections and has them speak all the time. */
export async function openTcpFlow(
  flows: readonly TcpFlow[],
  machine: (name: string) => Namespace,
): Promise<{ end(): Promise<TcpFate> }> {
  const namespaces = [...new Set(flows.flatMap(({ from, to }) => [from, to]))].map(machine);
  const before = namespaces.map(readCounters);
  let alive = 0;
  let sentBytes = 0;
  let echoedBytes = 0;
  const closers: (() => void)[] = [];
  const writers: (() => number)[] = [];
  for (const { from, to, address, port } of flows) {
    const { listener } = inNamespace(machine(to), () => ({
      listener: Bun.listen({
        hostname: address,
        port,
        socket: { data: (socket, bytes) => void socket.write(bytes) },
      }),
    }));
    const { connecting } = inNamespace(machine(from), () => ({
      connecting: Bun.connect({
        hostname: address,
        port,
        socket: {
          data(_, bytes) {
            echoedBytes += bytes.length;
          },
          close() {
            alive--;
          },
          error() {},
        },
      }),
    }));
    const socket = await connecting;
    alive++;
    writers.push(() => Math.max(0, socket.write(line)));
    closers.push(
      () => socket.end(),
      () => listener.stop(true),
    );
  }
  const timer = setInterval(() => {
    for (const write of writers) sentBytes += write();
  }, sendEveryMs);
  return {
    async end() {
      clearInterval(timer);
      for (let waited = 0; echoedBytes < sentBytes && waited < lastWaitMs; waited += 20) await Bun.sleep(20);
      const after = namespaces.map(readCounters);
      const more = (counter: keyof Counters) =>
        after.reduce((sum, each, i) => sum + each[counter] - (before[i]?.[counter] ?? 0), 0);
      const fate = {
        ...{ connections: flows.length, alive, sentBytes, echoedBytes },
        resets: more('resets'),
        lostSegments: Math.max(0, more('sentAgain') - more('toldTwice')),
      };
      for (const close of closers) close();
      return fate;
    },
  };
}

interface Counters {
  readonly resets: number;
  readonly sentAgain: number;
  readonly toldTwice: number;
}

/** /proc/net/snmp and /proc/net/netstat: names in one line, values in the next. */
function readCounters(namespace: Namespace): Counters {
  const read = (file: string, group: string) => {
    const text = inNamespace(namespace, () => readFileSync(`/proc/thread-self/net/${file}`, 'latin1'));
    const [names = '', values = ''] = text.split('\n').filter(each => each.startsWith(`${group}:`));
    const columns = values.split(' ');
    return (name: string) => Number(columns[names.split(' ').indexOf(name)] ?? 0);
  };
  const tcp = read('snmp', 'Tcp');
  const extended = read('netstat', 'TcpExt');
  return {
    resets: tcp('OutRsts') + tcp('EstabResets'),
    sentAgain: tcp('RetransSegs'),
    toldTwice: extended('TCPDSACKRecv'),
  };
}
