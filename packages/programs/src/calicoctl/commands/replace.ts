import { type FileFlags, loadResources } from '../files/load-resources.ts';
import { reportOutcome } from '../outcome.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';
import { updateResource, writeAll } from '../write.ts';

/** `calicoctl replace -f FILE`: stores other versions of objects that exist. */
export async function runReplace(flags: FileFlags & ConnectionFlags, world: World): Promise<void> {
  const loaded = loadResources(flags, world);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const outcome = await writeAll(loaded, one => updateResource(one, store));
  reportOutcome(outcome, { present: 'replace', past: 'replaced' }, world);
}
