import { type FileFlags, loadResources } from '../files/load-resources.ts';
import { reportOutcome } from '../outcome.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';
import { applyResource, writeAll } from '../write.ts';

/** `calicoctl apply -f FILE`: stores objects, whether they exist or not. */
export async function runApply(flags: FileFlags & ConnectionFlags, world: World): Promise<void> {
  const loaded = loadResources(flags, world);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const outcome = await writeAll(loaded, one => applyResource(one, store));
  reportOutcome(outcome, { present: 'apply', past: 'applied' }, world);
}
