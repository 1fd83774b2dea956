import { existsSync } from 'node:fs';
import { endpointKey, type WorkloadEndpoint } from '@calico/api';
import type { CniFelix, PolicyWait } from '@calico/cni';
import { cidrEquals, parseCidr } from '@calico/ip';
import type { Kernel } from '@calico/kernel';
import type { Clock } from '@calico/reconcile';
import { statusFileName } from './endpoint-status-file.ts';

const MAIN_TABLE = 254;
/** RTPROT_BOOT: as Calico's plugin writes its routes. */
const PROTOCOL_BOOT = 3;
const pollMs = 50;

/**
 * What a plugin without an agent does in Felix's place, as Calico's plugin: it writes the host's routes itself. Policy is the
 * matter of a Felix elsewhere on the node, which finds the endpoint in the datastore; it is waited for only where
 * `policy_setup_timeout_seconds` says so, by the file that it makes for each endpoint that is ready.
 */
export class LocalRoutes implements CniFelix {
  readonly #kernel: Kernel;
  readonly #clock: Pick<Clock, 'now' | 'sleep'>;

  constructor(kernel: Kernel, clock: Pick<Clock, 'now' | 'sleep'>) {
    this.#kernel = kernel;
    this.#clock = clock;
  }

  async endpointAdded(endpoint: WorkloadEndpoint, wait: PolicyWait | undefined): Promise<void> {
    this.#addRoutes(endpoint);
    if (wait === undefined) return;
    const path = `${wait.statusFolder}/${statusFileName(endpointKey(endpoint.metadata.namespace ?? 'default', endpoint.spec))}`;
    // The caller gives up at the timeout, and says so; this only ends the waiting.
    const end = this.#clock.now() + wait.timeoutMs + pollMs;
    while (!existsSync(path) && this.#clock.now() < end) await this.#clock.sleep(pollMs);
  }

  /** The routes go with the interface. */
  async endpointRemoved(): Promise<void> {}

  endpointNotNoted(): void {}

  interfaceProblem(): undefined {
    return undefined;
  }

  /** An address that leads elsewhere is somebody's: taking it over would cut that one off. */
  #addRoutes({ spec: { interfaceName, ipNetworks = [] } }: WorkloadEndpoint): void {
    const link = this.#kernel.link(interfaceName)?.index;
    const present = this.#kernel.routes({ table: MAIN_TABLE });
    for (const text of ipNetworks) {
      const destination = parseCidr(text);
      if (destination === undefined || link === undefined)
        throw new Error(`Cannot add route to ${text}: no interface ${interfaceName}`);
      const other = present.find(route => cidrEquals(route.destination, destination) && route.link !== link);
      const holder = other?.link === undefined ? undefined : this.#kernel.link(other.link);
      if (holder?.up) throw new Error(`Cannot add route to ${text}: it leads to interface ${holder.name} already`);
      this.#kernel.replaceRoute({
        destination,
        table: MAIN_TABLE,
        protocol: PROTOCOL_BOOT,
        scope: 'link',
        type: 'unicast',
        link,
      });
    }
  }
}
