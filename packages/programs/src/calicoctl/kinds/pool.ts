import { type CalicoctlTable, IPPool, type Kind } from '@calico/api';
import { parseCidr } from '@calico/ip';
import type { CtlKind } from './ctl-kind.ts';
import { storedKind } from './stored-kind.ts';

/** How long those who are taking an address from a pool have to finish; ms, as Calico's. */
const PAUSE_MS = 500;

/** Pools. Before one is deleted it gives no more addresses out, and its blocks lose their owners. */
export function poolKind(kind: Kind, table: CalicoctlTable): CtlKind {
  return {
    ...storedKind(kind, table),
    delete: async (store, key) => {
      const { client } = store;
      const pool = await client.get(IPPool, key);
      if (pool.spec.disabled !== true) await client.update(IPPool, { ...pool, spec: { ...pool.spec, disabled: true } });
      const range = parseCidr(pool.spec.cidr);
      if (range !== undefined) {
        await store.sleep(PAUSE_MS);
        await (await store.openIpam()).releasePoolAffinities(range);
      }
      await client.delete(IPPool, key);
    },
  };
}
