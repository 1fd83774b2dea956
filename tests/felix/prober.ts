// A process that sends packets all along a fault, each from a source port that no connection knows, and sees which arrive.
import { readFileSync } from 'node:fs';
import type { Namespace } from '@calico/kernel';
import { fillThreadPool, inNamespace, openNamespace } from '@calico/kernel/linux';
import { RawReceiver, RawSender } from '@calico/lab';
import { openTcpFlow, type TcpFate, type TcpFlow } from './tcp-flow.ts';
import type { Flow } from './world.ts';

/** What to send. */
export interface ProbeTask {
  /** The file of each machine's namespace. */
  readonly machines: Readonly<Record<string, string>>;
  readonly flows: readonly Flow[];
  readonly tcp: readonly TcpFlow[];
  /** Between two packets of a flow. */
  readonly everyMs: number;
  /** How many packets of a flow are sent at a time. */
  readonly burst: number;
}

/** A packet with the wrong fate. */
export interface WrongPacket {
  readonly flow: string;
  readonly fate: 'lost' | 'came through';
  /** When it was sent, in ms since 1970. */
  readonly at: number;
}

/** What became of all packets. */
export interface ProbeReport {
  readonly allowed: number;
  readonly denied: number;
  readonly wrong: readonly WrongPacket[];
  /** What machines lost for want of room, in words: then packets are missing that no policy dropped. */
  readonly ownLosses: readonly string[];
  readonly longestPauseMs: number;
  readonly tcp: TcpFate | undefined;
}

/** What the prober says. */
export type ProbeMessage =
  | { readonly kind: 'probing' }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'changed'; readonly flow: string; readonly open: boolean; readonly at: number }
  | { readonly kind: 'done'; readonly report: ProbeReport };

const now = () => performance.timeOrigin + performance.now();
const warmUpMs = 10_000;
const lastWaitMs = 1_000;
const udp = 17;
const sequenceBits = 24;
/** A watched flow is closed when so many packets in a row have not arrived, and the oldest had as many ms to do so. */
const closedAfter = 12;
const firstPort = 1024;
const ports = 64_000;

/** One flow: when each packet was sent, and which arrived. */
class Sent {
  readonly flow: Flow;
  readonly times: number[] = [];
  readonly arrived = new Set<number>();
  lastArrived = -1;
  open: boolean | undefined;

  constructor(flow: Flow) {
    this.flow = flow;
  }

  wrong(): WrongPacket[] {
    const { name, expected } = this.flow;
    if (expected === 'watched') return [];
    return this.times.flatMap((at, sequence) => {
      const came = this.arrived.has(sequence);
      if (came === (expected === 'allowed')) return [];
      return [{ flow: name, fate: came ? ('came through' as const) : ('lost' as const), at }];
    });
  }
}

class Prober {
  readonly #task: ProbeTask;
  readonly #machines: ReadonlyMap<string, Namespace>;
  readonly #senders: ReadonlyMap<string, RawSender>;
  readonly #receivers: ReadonlyMap<string, RawReceiver>;
  readonly #lossesBefore: ReadonlyMap<string, number>;
  #sent: Sent[] = [];
  #portOffset = 0;
  #lastTick = 0;
  #longestPauseMs = 0;
  /** Tells packets of the warm-up from those that count. */
  #sequenceStart = 0;

  constructor(task: ProbeTask) {
    this.#task = task;
    this.#machines = new Map(Object.entries(task.machines).map(([name, path]) => [name, openNamespace(path)] as const));
    const each = <T>(make: (namespace: Namespace) => T) =>
      new Map([...this.#machines].map(([name, namespace]) => [name, make(namespace)] as const));
    this.#senders = each(namespace => new RawSender(namespace));
    this.#receivers = each(namespace => new RawReceiver(namespace, [udp]));
    this.#lossesBefore = this.#losses();
  }

  /** Until every allowed flow has arrived once: neighbours are found, rules are there. */
  async warmUp(): Promise<void> {
    this.#reset();
    const end = now() + warmUpMs;
    const waiting = () => this.#sent.filter(each => each.flow.expected === 'allowed' && each.arrived.size === 0);
    while (waiting().length > 0) {
      if (now() > end) throw new Error(`These never arrive: ${waiting().map(each => each.flow.name)}`);
      this.tick();
      await Bun.sleep(20);
      this.#take();
    }
    this.#sequenceStart = Math.max(...this.#sent.map(each => each.times.length));
    this.#reset();
    this.#longestPauseMs = 0;
  }

  /** Sends one packet of each flow. */
  tick(): void {
    const at = now();
    if (this.#lastTick > 0) this.#longestPauseMs = Math.max(this.#longestPauseMs, at - this.#lastTick);
    this.#lastTick = at;
    this.#portOffset = (this.#portOffset + 1) % ports;
    for (const [index, sent] of this.#sent.entries()) {
      const { from, source, destination, port } = sent.flow;
      const tag = index * 2 ** sequenceBits + this.#sequenceStart + sent.times.length;
      sent.times.push(now());
      const sourcePort = firstPort + this.#portOffset;
      const packet = { protocol: udp, source, destination, sourcePort, destinationPort: port, tag };
      this.#senders.get(from)?.send(packet);
    }
    this.#take();
    this.#watch();
  }

  /** Waits for what is on its way, and counts. */
  async end(tcp: TcpFate | undefined): Promise<ProbeReport> {
    const end = now() + lastWaitMs;
    let wrong = this.#sent.flatMap(each => each.wrong());
    do {
      await Bun.sleep(20);
      this.#take();
      wrong = this.#sent.flatMap(each => each.wrong());
    } while (now() < end && wrong.some(each => each.fate === 'lost'));
    const count = (expected: Flow['expected']) =>
      this.#sent.reduce((sum, { flow, times }) => sum + (flow.expected === expected ? times.length : 0), 0);
    return {
      allowed: count('allowed'),
      denied: count('denied'),
      wrong: wrong.sort((a, b) => a.at - b.at),
      ownLosses: [...this.#losses()].flatMap(([place, lost]) => {
        const more = lost - (this.#lossesBefore.get(place) ?? 0);
        return more > 0 ? [`${place}: ${more}`] : [];
      }),
      longestPauseMs: this.#longestPauseMs,
      tcp,
    };
  }

  machine(name: string): Namespace {
    const found = this.#machines.get(name);
    if (found === undefined) throw new Error(`Cannot find machine ${name}`);
    return found;
  }

  #reset(): void {
    this.#sent = this.#task.flows.map(flow => new Sent(flow));
  }

  #take(): void {
    for (const [machine, receiver] of this.#receivers) {
      for (const tag of receiver.take()) {
        const sent = this.#sent[Math.trunc(tag / 2 ** sequenceBits)];
        const sequence = (tag % 2 ** sequenceBits) - this.#sequenceStart;
        if (sent === undefined || sequence < 0 || sent.flow.to !== machine) continue;
        sent.arrived.add(sequence);
        sent.lastArrived = Math.max(sent.lastArrived, sequence);
      }
    }
  }

  #watch(): void {
    for (const sent of this.#sent) {
      if (sent.flow.expected !== 'watched') continue;
      const last = sent.times.length - 1;
      const silence = now() - (sent.times[sent.lastArrived + 1] ?? now());
      if (sent.open !== true && sent.lastArrived >= 0 && last - sent.lastArrived < closedAfter)
        this.#tell(sent, true, now());
      else if (sent.open !== false && last - sent.lastArrived >= closedAfter && silence >= closedAfter)
        this.#tell(sent, false, sent.times[sent.lastArrived + 1] ?? now());
    }
  }

  #tell(sent: Sent, open: boolean, at: number): void {
    sent.open = open;
    tell({ kind: 'changed', flow: sent.flow.name, open, at });
  }

  /** Packets that sockets and interfaces had no room for. */
  #losses(): Map<string, number> {
    const found = new Map<string, number>();
    for (const [name, receiver] of this.#receivers) found.set(`sockets of ${name}`, receiver.lost());
    for (const [name, namespace] of this.#machines) {
      const text = inNamespace(namespace, () => readFileSync('/proc/thread-self/net/dev', 'latin1'));
      const interfaces = text
        .trim()
        .split('\n')
        .slice(2)
        .map(line => line.trim().split(/\s+/));
      // Receive: name bytes packets errors dropped …; transmit from column 9 on in the same order.
      found.set(`interfaces of ${name}`, sum(interfaces.map(fields => Number(fields[4]) + Number(fields[12]))));
    }
    return found;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function tell(message: ProbeMessage): void {
  process.send?.(message);
}

async function main(task: ProbeTask): Promise<void> {
  await fillThreadPool();
  const prober = new Prober(task);
  await prober.warmUp();
  const tcp = task.tcp.length === 0 ? undefined : await openTcpFlow(task.tcp, name => prober.machine(name));
  const timer = setInterval(() => {
    for (let i = 0; i < task.burst; i++) prober.tick();
  }, task.everyMs);
  tell({ kind: 'probing' });
  await new Promise<void>(resolve => process.once('message', () => resolve()));
  clearInterval(timer);
  tell({ kind: 'done', report: await prober.end(await tcp?.end()) });
}

if (import.meta.main) {
  // Ends with whoever started it.
  process.on('disconnect', () => process.exit(1));
  process.once('message', task =>
    main(task as ProbeTask).then(
      () => process.disconnect?.(),
      error => tell({ kind: 'failed', error: String(error?.stack ?? error) }),
    ),
  );
}
