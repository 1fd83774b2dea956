import { type FileFlags, loadResources } from '../files/load-resources.ts';
import { reportOutcome } from '../outcome.ts';
import type { World } from '../world.ts';
import { faultsOf } from '../write.ts';

/** `calicoctl validate -f FILE`: looks at files without asking any cluster. */
export async function runValidate(flags: FileFlags, world: World): Promise<void> {
  const loaded = loadResources(flags, world);
  const errors = loaded.map(one => faultsOf([one])).filter(faults => faults.length > 0);
  const kinds = loaded.map(({ kind }) => kind.kind);
  const outcome = { kinds, done: loaded.length - errors.length, errors: errors.flat() };
  reportOutcome(outcome, { present: 'validate', past: 'validated' }, world);
}
