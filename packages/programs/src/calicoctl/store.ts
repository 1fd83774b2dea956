import type { Client, DatastoreType } from '@calico/datastore';
import type { Ipam } from '@calico/ipam';

/** The datastore as commands work with it. */
export interface CtlStore {
  readonly type: DatastoreType;
  readonly client: Client;
  openIpam(): Promise<Ipam>;
  sleep(ms: number): Promise<void>;
}
