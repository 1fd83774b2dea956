import { isAlreadyExists } from '@calico/datastore';
import { type FileFlags, loadResources } from '../files/load-resources.ts';
import { reportOutcome } from '../outcome.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';
import { createResource, writeAll } from '../write.ts';

/** Flags of `create`. */
export interface CreateFlags extends FileFlags, ConnectionFlags {
  /** Objects that exist already are passed over. */
  readonly skipExists?: boolean;
}

/** `calicoctl create -f FILE`: stores new objects. */
export async function runCreate(flags: CreateFlags, world: World): Promise<void> {
  const loaded = loadResources(flags, world);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  let skipped = 0;
  const outcome = await writeAll(loaded, async one => {
    try {
      await createResource(one, store);
    } catch (err) {
      if (flags.skipExists !== true || !isAlreadyExists(err)) throw err;
      skipped++;
    }
  });
  reportOutcome({ ...outcome, done: outcome.done - skipped }, { present: 'create', past: 'created' }, world);
}
