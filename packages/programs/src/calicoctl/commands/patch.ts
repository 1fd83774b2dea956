import type { Resource } from '@calico/api';
import { isConflict } from '@calico/datastore';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import type { CtlKind } from '../kinds/ctl-kind.ts';
import { ctlKindByName } from '../kinds/registry.ts';
import { mergePatch } from '../merge-patch.ts';
import { chosenNamespace } from '../namespaces.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `patch`. */
export interface PatchFlags extends ConnectionFlags {
  readonly namespace?: string;
  readonly patch: string;
  readonly type?: string;
}

const TRIES = 5;

/**
 * `calicoctl patch KIND NAME -p PATCH`. A strategic merge patch of Calico's kinds is a merge patch: none of their lists
 * is merged by a key.
 */
export async function runPatch(word: string, name: string, flags: PatchFlags, world: World): Promise<void> {
  const { type = 'strategic' } = flags;
  if (type !== 'strategic') throw new Failure(`--type is "${type}"; allowed: strategic`);
  const kind = ctlKindByName(word);
  const namespace = chosenNamespace(kind, flags);
  const key = namespace === undefined ? { name } : { name, namespace };
  const patch = await parsePatch(flags.patch, kind);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const change = async (): Promise<void> => {
    const current = await kind.get(store, key);
    const next = mergePatch(current, patch);
    if (!isResource(next)) throw new Error('the patch takes apiVersion, kind or metadata away');
    const faults = kind.faults(next);
    if (faults.length > 0) throw new Error(faults.join('; '));
    await kind.update(store, next, current);
  };
  for (let attempt = 1; ; attempt++) {
    try {
      await change();
      break;
    } catch (err) {
      if (isConflict(err) && attempt < TRIES) continue;
      throw new Failure(`failed to patch '${kind.kind}' resource: [${name}: ${errorText(err)}]`);
    }
  }
  world.out(`Successfully patched 1 '${kind.kind}' resource\n`);
}

async function parsePatch(text: string, kind: CtlKind): Promise<object> {
  const fail = (reason: string): never => {
    throw new Failure(`--patch is ${JSON.stringify(text)}: ${reason}`);
  };
  let patch: unknown;
  try {
    const { readYaml } = await import('@calico/api/yaml');
    [patch] = readYaml(text);
  } catch (err) {
    return fail(err instanceof Error ? err.message : String(err));
  }
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch))
    return fail('allowed: an object with the fields to change');
  const [unknown] = kind.unknownFields(patch);
  return unknown === undefined
    ? patch
    : fail(`field in document is not recognized or is in the wrong location: ${unknown}`);
}

function isResource(value: unknown): value is Resource {
  return typeof value === 'object' && value !== null && 'metadata' in value && 'apiVersion' in value && 'kind' in value;
}
