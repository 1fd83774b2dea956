import { isNotFound, keyOf, type ObjectKey } from '@calico/datastore';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import type { FileFlags } from '../files/load-resources.ts';
import type { CtlKind } from '../kinds/ctl-kind.ts';
import { ctlKindByName } from '../kinds/registry.ts';
import { chosenNamespace } from '../namespaces.ts';
import { reportOutcome } from '../outcome.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `delete`. */
export interface DeleteFlags extends FileFlags, ConnectionFlags {
  /** Objects that do not exist are passed over. */
  readonly skipNotExists?: boolean;
}

interface Doomed {
  readonly kind: CtlKind;
  readonly key: ObjectKey;
}

/** `calicoctl delete KIND NAME…` or `delete -f FILE`. A failure does not keep back the next. */
export async function runDelete(words: readonly string[], flags: DeleteFlags, world: World): Promise<void> {
  const doomed = flags.filename === undefined ? doomedByName(words, flags) : await doomedByFile(words, flags, world);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const failures: string[] = [];
  let done = 0;
  for (const { kind, key } of doomed) {
    try {
      await kind.delete(store, key);
      done++;
    } catch (err) {
      if (flags.skipNotExists === true && isNotFound(err)) continue;
      failures.push(`Failed to delete '${kind.kind}' resource: ${errorText(err)}`);
    }
  }
  const kinds = doomed.map(({ kind }) => kind.kind);
  // What was done is told first, whatever failed besides.
  if (done > 0 || failures.length === 0) {
    reportOutcome({ kinds, done, errors: [] }, { present: 'delete', past: 'deleted' }, world);
  }
  if (failures.length > 0) throw new Failure(failures.join('\n'));
}

function doomedByName([word, ...names]: readonly string[], flags: DeleteFlags): Doomed[] {
  if (word === undefined) throw new Failure('neither a resource type nor --filename is given; allowed: one of them');
  const kind = ctlKindByName(word);
  if (names.length === 0) throw new Failure(`no name of a ${kind.kind} is given; allowed: one or more`);
  const namespace = chosenNamespace(kind, flags);
  return names.map(name => ({ kind, key: namespace === undefined ? { name } : { name, namespace } }));
}

async function doomedByFile(words: readonly string[], flags: DeleteFlags, world: World): Promise<Doomed[]> {
  if (words.length > 0) throw new Failure(`both "${words[0]}" and --filename are given; allowed: one of them`);
  const { loadResources } = await import('../files/load-resources.ts');
  return loadResources(flags, world).map(({ kind, resource }) => ({ kind, key: keyOf(resource) }));
}
