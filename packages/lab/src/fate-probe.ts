import { dlopen, FFIType } from 'bun:ffi';
import { openNamespace } from '@calico/kernel/linux';
import { RawReceiver, RawSender } from './raw-packets.ts';

const libc = dlopen('libc.so.6', { usleep: { args: [FFIType.u32], returns: FFIType.i32 } }).symbols;

/** Where packets start and where they are waited for. */
export interface FateProbeOptions {
  readonly fromNetns: string;
  readonly toNetns: string;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
}

/** Microseconds between two probes: the resolution of what is measured. */
const probeInterval = 150;
/** A probe without arrival for so long has been dropped, in milliseconds. Between pods of one node it takes microseconds. */
const lostAfter = 1;
const udp = 17;

/**
 * A program that tells when packets between two pods begin, or cease, to arrive. For each line `open` or `closed` on its
 * input it first makes sure that the opposite holds and prints `watching`, then sends a UDP packet from an ever new
 * source port every 150 µs, and prints the wall time in milliseconds, with fractions, of the first that met the new
 * fate. It prints `timeout` after ten seconds.
 */
export async function runFateProbe(options: FateProbeOptions): Promise<void> {
  const sender = new RawSender(openNamespace(options.fromNetns));
  const receiver = new RawReceiver(openNamespace(options.toNetns), [udp]);
  const probe = new FateProbe(options, sender, receiver);
  for await (const line of console) {
    const wanted = line.trim() === 'open';
    if (!probe.waitFor(!wanted, 10_000)) {
      process.stdout.write('timeout\n');
      continue;
    }
    process.stdout.write('watching\n');
    const at = probe.waitFor(wanted, 10_000);
    process.stdout.write(`${at ?? 'timeout'}\n`);
  }
}

class FateProbe {
  readonly #options: FateProbeOptions;
  readonly #sender: RawSender;
  readonly #receiver: RawReceiver;
  #tag = 0;

  constructor(options: FateProbeOptions, sender: RawSender, receiver: RawReceiver) {
    this.#options = options;
    this.#sender = sender;
    this.#receiver = receiver;
  }

  /** Sends until a packet meets the fate; gives the wall time at which that packet was sent. */
  waitFor(open: boolean, timeoutMs: number): number | undefined {
    return open ? this.#firstArrival(timeoutMs) : this.#firstLoss(timeoutMs);
  }

  /** Nobody waits for packets that are lost: the next is on its way meanwhile. */
  #firstArrival(timeoutMs: number): number | undefined {
    const deadline = performance.now() + timeoutMs;
    const first = this.#tag + 1;
    const sentAt: number[] = [];
    while (performance.now() < deadline) {
      sentAt.push(performance.now());
      this.#send();
      const arrived = this.#receiver.take().find(tag => tag >= first);
      if (arrived !== undefined) return performance.timeOrigin + (sentAt[arrived - first] ?? Number.NaN);
      libc.usleep(probeInterval);
    }
    return undefined;
  }

  #firstLoss(timeoutMs: number): number | undefined {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      const sentAt = performance.now();
      if (!this.#arrives()) return performance.timeOrigin + sentAt;
      libc.usleep(probeInterval);
    }
    return undefined;
  }

  #arrives(): boolean {
    const tag = this.#send();
    const deadline = performance.now() + lostAfter;
    for (;;) {
      if (this.#receiver.take().includes(tag)) return true;
      if (performance.now() >= deadline) return false;
      libc.usleep(probeInterval);
    }
  }

  /** Sends one packet; gives its tag. */
  #send(): number {
    const tag = ++this.#tag;
    // No conntrack entry knows the port, else an established flow would answer for the policy.
    const sourcePort = 1024 + (tag % 60_000);
    const { source, destination, port } = this.#options;
    this.#sender.send({ source, destination, protocol: udp, sourcePort, destinationPort: port, tag });
    return tag;
  }
}
