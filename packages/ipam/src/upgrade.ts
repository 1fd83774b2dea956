import { parseCidr } from '@calico/ip';
import { affinityLabels } from './names.ts';
import type { Owner } from './owner.ts';
import { AGAIN, retrying } from './retry.ts';
import { type IpamStore, lostRace } from './store.ts';

/** Gives an owner's affinities the labels by which they are listed: an old Calico wrote them without. Idempotent. */
export async function labelAffinities(store: IpamStore, owner: Owner): Promise<void> {
  await retrying(`label the affinities of "${owner.name}"`, async () => {
    const mine = (await store.allAffinities()).filter(
      ({ spec }) => spec.node === owner.name && (spec.type ?? 'host') === owner.type,
    );
    for (const affinity of mine) {
      const labels = {
        ...affinity.metadata.labels,
        ...affinityLabels(owner, parseCidr(affinity.spec.cidr)?.addr.family),
      };
      const missing = Object.entries(labels).some(([key, value]) => affinity.metadata.labels?.[key] !== value);
      if (!missing) continue;
      try {
        await store.update({ ...affinity, metadata: { ...affinity.metadata, labels } });
      } catch (err) {
        if (lostRace(err)) return AGAIN;
        throw err;
      }
    }
    return undefined;
  });
}
