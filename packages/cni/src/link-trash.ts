import { isAbsent, type Kernel, type Link } from '@calico/kernel';
import type { Clock, Timer } from '@calico/reconcile';
import type { CniLog } from './deps.ts';

/**
 * Deleting a link holds the kernel for 15 ms, eight together for 17 ms, and every ADD and DEL meanwhile waits. So those of
 * a quarter of a second go in one step: at most 7% of the time, where 10 ms had back-to-back DELs wait for each other.
 */
export const trashGatherMs = 250;
const nameInTrash = /^gone\d+$/;

/** Whether a link has been discarded and waits to be deleted. */
export function isTrash({ name, kind }: Link): boolean {
  return kind === 'veth' && nameInTrash.test(name);
}

/**
 * Takes interfaces away: out of use and out of their name at once, out of existence a moment later. What an agent that
 * ended has left is taken up by the next one.
 */
export class LinkTrash {
  readonly #kernel: Kernel;
  readonly #clock: Pick<Clock, 'setTimeout'>;
  readonly #log: CniLog;
  #waiting: number[] = [];
  #timer: Timer | undefined;

  constructor(kernel: Kernel, clock: Pick<Clock, 'setTimeout'>, log: CniLog) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#log = log;
    for (const link of kernel.links()) if (isTrash(link)) this.#add(link.index);
  }

  /** The link carries nothing from now on and its name is free. Throws KernelError. */
  discard({ index }: Pick<Link, 'index'>): void {
    try {
      this.#kernel.setLink(index, { up: false });
      this.#kernel.setLink(index, { name: `gone${index}` });
    } catch (error) {
      // The kernel takes it away by itself when the pod's namespace ends.
      if (isAbsent(error)) return;
      throw error;
    }
    this.#add(index);
  }

  #add(index: number): void {
    this.#waiting.push(index);
    if (this.#waiting.length === 1) this.#timer = this.#clock.setTimeout(() => this.empty(), trashGatherMs);
  }

  /** Deletes what waits now, as a process has to before it ends. */
  empty(): void {
    this.#timer?.cancel();
    const indexes = this.#waiting;
    this.#waiting = [];
    if (indexes.length === 0) return;
    try {
      this.#kernel.deleteLinks(indexes);
    } catch (err) {
      this.#log.warn({ err, indexes }, 'Interfaces of ended pods could not be deleted; they are down and renamed');
    }
  }
}
