import { ClusterInformation } from '@calico/api';
import { ensureInitialized } from '@calico/datastore';
import { systemClock, systemRandom } from '@calico/process';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/**
 * `calicoctl datastore migrate lock` and `unlock`: says in the datastore whether it is ready. While it is not, no program
 * gives addresses out and CNI requests are put off.
 */
export async function runDatastoreLock(lock: boolean, flags: ConnectionFlags, world: World): Promise<void> {
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const { client, type } = store;
  try {
    await ensureInitialized(client, { datastore: type, clock: systemClock, random: systemRandom });
    const ready = { spec: { datastoreReady: !lock } };
    await client.patch(ClusterInformation, { name: 'default' }, ready, { type: 'merge' });
  } catch (err) {
    throw new Failure(`error updating ClusterInformation for ${lock ? '' : 'un'}locking: ${errorText(err)}`);
  }
  world.out(`Datastore ${lock ? '' : 'un'}locked.\n`);
}
