import { IPAMConfiguration, type IPPool, IPReservation, type ResourceUpdate } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import { type Settings, type SettingsSource, storedSettings, toSettings } from '@calico/ipam';

/**
 * IPAM's settings without a read for every pod: pools as Felix's view shows them, the rest read once a while. Pools are
 * read from the datastore until the view is there.
 */
export class PoolView implements SettingsSource {
  readonly #client: Client;
  readonly #stored: SettingsSource;
  readonly #pools = new Map<string, IPPool>();
  #inView = false;
  #rest:
    | {
        readonly config: IPAMConfiguration | undefined;
        readonly reservations: readonly IPReservation[];
        readonly readAt: number;
      }
    | undefined;
  #onChanged: (() => Promise<void>) | undefined;

  constructor(client: Client) {
    this.#client = client;
    this.#stored = storedSettings(client);
  }

  /** The pools of the view. */
  get pools(): Iterable<IPPool> {
    return this.#pools.values();
  }

  /** Takes changes of the cluster in. */
  onUpdates(updates: readonly ResourceUpdate[]): void {
    const ofPools = updates.filter(update => update.kind === 'IPPool');
    for (const { name, resource } of ofPools) {
      if (resource === undefined) this.#pools.delete(name);
      else this.#pools.set(name, resource as IPPool);
    }
    if (ofPools.length === 0) return;
    this.#inView = true;
    void this.#onChanged?.().catch(() => undefined);
  }

  /** Calls whenever a pool changes, from now on. */
  onPoolsChanged(call: () => Promise<void>): void {
    this.#onChanged = call;
  }

  async read(): Promise<Settings> {
    if (!this.#inView) return this.#stored.read();
    const { config, reservations } = await this.#readRest();
    return toSettings([...this.#pools.values()], config, reservations);
  }

  async #readRest() {
    if (this.#rest !== undefined && performance.now() - this.#rest.readAt < restInterval) return this.#rest;
    const [config, { items: reservations }] = await Promise.all([
      this.#client.get(IPAMConfiguration, { name: 'default' }).catch(error => {
        if (!isNotFound(error)) throw error;
        return undefined;
      }),
      this.#client.list(IPReservation),
    ]);
    this.#rest = { config, reservations, readAt: performance.now() };
    return this.#rest;
  }
}

/** How old configuration and reservations may be when an address is given out, in milliseconds. */
const restInterval = 10_000;
