import type { Resource } from '@calico/api';
import { keyOf } from '@calico/datastore';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import type { FileFlags } from '../files/load-resources.ts';
import type { CtlKind } from '../kinds/ctl-kind.ts';
import { ctlKindByName } from '../kinds/registry.ts';
import { chosenNamespace, type NamespaceFlags } from '../namespaces.ts';
import { parseFormat } from '../output/format.ts';
import { exported } from '../output/objects.ts';
import { type Found, printFound } from '../output/resources.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { CtlStore } from '../store.ts';
import type { World } from '../world.ts';

/** Flags of `get`. */
export interface GetFlags extends FileFlags, NamespaceFlags, ConnectionFlags {
  readonly output?: string;
  readonly export?: boolean;
}

/** What to look for: one kind, perhaps by names. */
interface Wanted {
  readonly kind: CtlKind;
  readonly namespace: string | undefined;
  /** All when empty. */
  readonly names: readonly string[];
}

/** `calicoctl get KIND [NAME…]` or `get -f FILE`: shows objects. Those that cannot be had are told after the others. */
export async function runGet(words: readonly string[], flags: GetFlags, world: World): Promise<void> {
  const format = parseFormat(flags.output);
  const wanted = flags.filename === undefined ? [wantedByName(words, flags)] : await wantedByFile(words, flags, world);
  const { store, versionChecked } = await openSession(flags, world);
  const errors: string[] = [];
  const found = await Promise.all(wanted.map(one => find(one, store, errors)));
  await versionChecked;
  const byName = wanted.every(({ names }) => names.length > 0);
  const shown = flags.export === true && byName ? found.map(exportedFound) : found;
  const showNamespace = flags.allNamespaces === true || flags.namespace !== undefined;
  if (shown.some(({ listVersion, resources }) => listVersion !== undefined || resources.length > 0))
    world.out(await printFound(mergeNeighbours(shown), { format, showNamespace, store }));
  if (errors.length > 0) throw new Failure(errors.join('\n'));
}

function wantedByName([word, ...names]: readonly string[], flags: GetFlags): Wanted {
  if (word === undefined) throw new Failure('neither a resource type nor --filename is given; allowed: one of them');
  const kind = ctlKindByName(word);
  return { kind, names, namespace: chosenNamespace(kind, flags) };
}

async function wantedByFile(words: readonly string[], flags: GetFlags, world: World): Promise<Wanted[]> {
  if (words.length > 0) throw new Failure(`both "${words[0]}" and --filename are given; allowed: one of them`);
  const { loadResources } = await import('../files/load-resources.ts');
  return loadResources(flags, world).map(({ kind, resource }) => {
    const { name, namespace } = keyOf(resource);
    return { kind, names: [name], namespace };
  });
}

async function find({ kind, namespace, names }: Wanted, store: CtlStore, errors: string[]): Promise<Found> {
  if (names.length === 0) {
    try {
      const { items, resourceVersion } = await kind.list(store, namespace);
      return { kind, resources: items, listVersion: resourceVersion };
    } catch (err) {
      throw new Failure(`failed to get resources: ${errorText(err)}`);
    }
  }
  const lookUp = async (name: string): Promise<Resource[]> => {
    try {
      // The name in any namespace, for --all-namespaces.
      if (kind.namespaced && namespace === undefined)
        return (await kind.list(store)).items.filter(({ metadata }) => metadata.name === name);
      return [await kind.get(store, namespace === undefined ? { name } : { name, namespace })];
    } catch (err) {
      errors.push(errorText(err));
      return [];
    }
  };
  return { kind, resources: (await Promise.all(names.map(lookUp))).flat() };
}

function exportedFound(found: Found): Found {
  return { ...found, resources: found.resources.map(exported) };
}

/** Objects of one kind that follow each other share a table. */
function mergeNeighbours(found: readonly Found[]): Found[] {
  const merged: Found[] = [];
  for (const one of found) {
    const last = merged.at(-1);
    const joins = last !== undefined && last.kind === one.kind && last.listVersion === undefined;
    if (joins) merged.push({ kind: one.kind, resources: [...(merged.pop()?.resources ?? []), ...one.resources] });
    else merged.push(one);
  }
  return merged;
}
