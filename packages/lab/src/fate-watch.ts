import type { FateProbeOptions } from './fate-probe.ts';
import { linesOf } from './lines-of.ts';

/** What packets between two pods meet: they arrive, or they do not. */
export type Fate = 'open' | 'closed';

/**
 * Tells when packets between two pods begin, or cease, to arrive. The probe is a process of its own: it is busy all the time
 * while it waits.
 */
export class FateWatch {
  readonly #probe: Bun.Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #lines: AsyncGenerator<string, void>;

  /** `executable` is calico's. */
  constructor(executable: string, { fromNetns, toNetns, source, destination, port }: FateProbeOptions) {
    const args = [fromNetns, toNetns, source, destination, String(port)];
    this.#probe = Bun.spawn([executable, 'lab', 'fate', ...args], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
    this.#lines = linesOf(this.#probe.stdout);
  }

  /**
   * The wall time in ms, with fractions, of the first packet that met the fate. `watching` is called before, once packets
   * have been seen to meet the opposite. Rejects when either did not happen within ten seconds.
   */
  async first(fate: Fate, watching: () => void): Promise<number> {
    this.#probe.stdin.write(`${fate}\n`);
    this.#probe.stdin.flush();
    if ((await this.#line()) !== 'watching')
      throw new Error(`Cannot watch until packets are ${fate}: they are already`);
    watching();
    const met = await this.#line();
    if (met === 'timeout') throw new Error(`Cannot say when packets are ${fate}: they were not within ten seconds`);
    return Number(met);
  }

  close(): void {
    this.#probe.kill();
  }

  async #line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`Cannot watch packets: the probe ended with ${await this.#probe.exited}`);
    return value;
  }
}
