import { IPAMConfiguration, IPPool, IPReservation } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import { type Cidr, maskCidr, parseCidr } from '@calico/ip';
import { type Pool, readPools } from './pools.ts';

/** The cluster's IPAMConfiguration, with its defaults. */
export interface IpamConfig {
  readonly strictAffinity: boolean;
  readonly autoAllocateBlocks: boolean;
  /** 0: not limited by the configuration. */
  readonly maxBlocksPerHost: number;
  readonly ipCooldownSeconds: number;
}

/** What administrators have set and addresses are given out by. */
export interface Settings {
  readonly pools: readonly Pool[];
  readonly config: IpamConfig;
  readonly reservations: readonly Cidr[];
}

/** Where the settings come from: the datastore on each read, or a view kept up to date. */
export interface SettingsSource {
  read(): Promise<Settings>;
}

/** Settings from the resources that hold them. */
export function toSettings(
  pools: readonly IPPool[],
  config: IPAMConfiguration | undefined,
  reservations: readonly IPReservation[],
): Settings {
  return {
    pools: readPools(pools),
    config: {
      strictAffinity: config?.spec.strictAffinity ?? false,
      autoAllocateBlocks: config?.spec.autoAllocateBlocks ?? true,
      maxBlocksPerHost: config?.spec.maxBlocksPerHost ?? 0,
      ipCooldownSeconds: config?.spec.ipCooldownSeconds ?? 0,
    },
    reservations: reservations
      .flatMap(({ spec }) => spec.reservedCIDRs ?? [])
      .flatMap(text => parseCidr(text) ?? [])
      .map(maskCidr),
  };
}

/** Settings read anew each time: three reads at once. */
export function storedSettings(client: Client): SettingsSource {
  const config = async (): Promise<IPAMConfiguration | undefined> => {
    try {
      return await client.get(IPAMConfiguration, { name: 'default' });
    } catch (err) {
      if (isNotFound(err)) return undefined;
      throw err;
    }
  };
  return {
    async read() {
      const [pools, stored, reservations] = await Promise.all([
        client.list(IPPool),
        config(),
        client.list(IPReservation),
      ]);
      return toSettings(pools.items, stored, reservations.items);
    },
  };
}
