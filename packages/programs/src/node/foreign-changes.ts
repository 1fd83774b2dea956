import { tableName } from '@calico/dataplane';
import type { Kernel, Subscription } from '@calico/kernel';
import type { Logger } from '@calico/process';
import type { Clock, Timer } from '@calico/reconcile';

/** So long after the first of several changes they are told of together, in milliseconds. */
const tellDelay = 100;

/**
 * Tells when another program has changed the rules. Where the kernel knows owners of tables (Linux 6.9) none can, and
 * nothing is listened to: it would cost a notice for every element that we write ourselves.
 */
export class ForeignChanges {
  readonly #kernel: Kernel;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #tell: () => void;
  #known = false;
  #subscription: Subscription | undefined;
  #timer: Timer | undefined;

  constructor({ kernel, clock, log }: { kernel: Kernel; clock: Clock; log: Logger }, tell: () => void) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#log = log;
    this.#tell = tell;
  }

  /** The rules are written: looks, once, whether others can change them, and listens where they can. */
  written(): void {
    if (this.#known) return;
    try {
      if (!this.#kernel.nftables.isOwner({ family: 'inet', name: tableName })) this.#listen();
      this.#known = true;
    } catch (err) {
      this.#log.warn({ err }, 'It is not known whether others can change the rules; asking again with the next change');
    }
  }

  stop(): void {
    this.#subscription?.close();
    this.#timer?.cancel();
  }

  #listen(): void {
    this.#subscription = this.#kernel.subscribe(['table'], event => {
      if (event.kind === 'table' && event.table.name !== tableName) return;
      this.#timer ??= this.#clock.setTimeout(() => {
        this.#timer = undefined;
        this.#tell();
      }, tellDelay);
    });
    this.#log.warn(
      'This kernel knows no owners of tables: other programs can change the rules; that is heard and mended',
    );
  }
}
