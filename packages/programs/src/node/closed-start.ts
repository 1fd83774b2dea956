import { closeWorkloads, type DataplaneConfig, tableName } from '@calico/dataplane';
import type { Kernel } from '@calico/kernel';
import type { Logger } from '@calico/process';

/**
 * Whether pods that come before the first view of the cluster are kept closed: by what an earlier run has left in the kernel,
 * else, on a node that had no pods when the agent started, by rules that let no packet of any pod pass. Where there were pods
 * without our rules, as on a node that is being taken over, nothing is written: they would be cut off.
 */
export class ClosedStart {
  readonly #kernel: Kernel;
  readonly #config: DataplaneConfig;
  readonly #log: Logger;
  readonly #hadPods: boolean;

  constructor(kernel: Kernel, config: DataplaneConfig, log: Logger) {
    this.#kernel = kernel;
    this.#config = config;
    this.#log = log;
    this.#hadPods = this.#hasPods();
  }

  /** A kernel that does not answer may have pods. */
  #hasPods(): boolean {
    const isPods = (name: string) => this.#config.interfacePrefixes.some(prefix => name.startsWith(prefix));
    try {
      return this.#kernel.links().some(({ name }) => isPods(name));
    } catch (err) {
      this.#log.warn({ err }, 'It is not known whether the node has pods: new ones wait for the first view');
      return true;
    }
  }

  /** Whether pods are closed, if need be by closing them now: only before the first write of the rules may have begun. Never throws. */
  close(): boolean {
    try {
      if (this.#kernel.nftables.tables().some(({ name }) => name === tableName)) return true;
      if (this.#hadPods) return false;
      closeWorkloads(this.#kernel, this.#config);
      return true;
    } catch (err) {
      this.#log.warn({ err }, 'Rules that keep new pods closed could not be written; they wait for the first view');
      return false;
    }
  }
}
