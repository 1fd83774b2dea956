import { isAbsent, type Kernel, type Link } from '@calico/kernel';
import type { Clock, Timer } from '@calico/reconcile';
import type { CniLog } from './deps.ts';

/**
 * Deleting a link holds the kernel for 15 ms, taking one down for 5, and every ADD and DEL meanwhile waits; eight are deleted
 * together in 17. So those of a quarter of a second go in one step: at most 7% of the time.
 */
export const trashGatherMs = 250;
/** The alias of a link that waits to be deleted: setting it is all that a DEL waits for. */
const trashMark = 'calico: to be deleted';

/** Whether a link has been discarded and waits to be deleted. */
export function isTrash({ alias, kind }: Link): boolean {
  return kind === 'veth' && alias === trashMark;
}

/**
 * Takes interfaces away: marked at once, out of existence a moment later. Their packets are dropped meanwhile, as they have no
 * rules any more. What an agent that ended has left is taken up by the next one.
 */
export class LinkTrash {
  readonly #kernel: Kernel;
  readonly #clock: Pick<Clock, 'setTimeout'>;
  readonly #log: CniLog;
  readonly #waiting = new Set<number>();
  #timer: Timer | undefined;

  constructor(kernel: Kernel, clock: Pick<Clock, 'setTimeout'>, log: CniLog) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#log = log;
    for (const link of kernel.links()) if (isTrash(link)) this.#add(link.index);
  }

  /** The link will be deleted, and its name is free then. Throws KernelError. */
  discard({ index }: Pick<Link, 'index'>): void {
    try {
      this.#kernel.setLink(index, { alias: trashMark });
    } catch (error) {
      // The kernel takes it away by itself when the pod's namespace ends.
      if (isAbsent(error)) return;
      throw error;
    }
    this.#add(index);
  }

  /** Deletes a link at once, for who needs its name. Throws KernelError. */
  remove({ index }: Pick<Link, 'index'>): void {
    this.#waiting.delete(index);
    this.#kernel.deleteLinks([index]);
  }

  #add(index: number): void {
    this.#waiting.add(index);
    if (this.#waiting.size === 1) this.#timer = this.#clock.setTimeout(() => this.empty(), trashGatherMs);
  }

  /** Deletes what waits now, as a process has to before it ends. */
  empty(): void {
    this.#timer?.cancel();
    const indexes = [...this.#waiting];
    this.#waiting.clear();
    if (indexes.length === 0) return;
    try {
      this.#kernel.deleteLinks(indexes);
    } catch (err) {
      this.#log.warn({ err, indexes }, 'Interfaces of ended pods could not be deleted; they have no rules any more');
    }
  }
}
