import type { ObjectMeta, Resource } from '@calico/api';
import { isAlreadyExists, isConflict, isInvalid, keyOf } from '@calico/datastore';
import { errorText } from './error-text.ts';
import { Unsupported } from './failure.ts';
import type { LoadedResource } from './files/load-resources.ts';
import { printId } from './kinds/ctl-kind.ts';
import type { Outcome } from './outcome.ts';
import type { CtlStore } from './store.ts';

/** How often an update is tried when others keep changing the object. */
const TRIES = 5;
const PAUSE_MS = 1_000;

/** What a command does to one object. */
export type Write = (loaded: LoadedResource) => Promise<unknown>;

/** Everything that is wrong with objects that are to be written, each line with file, object, field and value. */
export function faultsOf(loaded: readonly LoadedResource[]): string[] {
  return loaded.flatMap(({ kind, resource, where }) =>
    kind.faults(resource).map(fault => `${where}: ${printId(kind, keyOf(resource))}: ${fault}`),
  );
}

/** Writes the objects one after the other, and none when one of them is not valid. A failure does not keep back the next. */
export async function writeAll(loaded: readonly LoadedResource[], write: Write): Promise<Outcome> {
  const kinds = loaded.map(({ kind }) => kind.kind);
  const faults = faultsOf(loaded);
  if (faults.length > 0) return { kinds, done: 0, errors: faults };
  const errors: string[] = [];
  for (const one of loaded) {
    try {
      await write(one);
    } catch (err) {
      // What a server finds wrong belongs to a place in a file; everything else names its object.
      errors.push(isInvalid(err) ? `${one.where}: ${errorText(err)}` : errorText(err));
    }
  }
  return { kinds, done: loaded.length - errors.length, errors };
}

/** Creates an object: of its metadata only what a user decides is sent. */
export async function createResource({ kind, resource }: LoadedResource, store: CtlStore): Promise<Resource> {
  return await kind.create(store, { ...resource, metadata: ownMetadata(resource.metadata) });
}

/**
 * Replaces an object, keeping the server's metadata but labels and annotations. When others change it meanwhile it is
 * tried again, unless the object says which version it replaces.
 */
export async function updateResource({ kind, resource }: LoadedResource, store: CtlStore): Promise<Resource> {
  const { labels, annotations, resourceVersion } = resource.metadata;
  for (let attempt = 1; ; attempt++) {
    const current = await kind.get(store, keyOf(resource));
    const { labels: _labels, annotations: _annotations, ...kept } = current.metadata;
    const metadata: ObjectMeta = {
      ...kept,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    try {
      return await kind.update(store, { ...resource, metadata }, current);
    } catch (err) {
      if (!isConflict(err) || resourceVersion !== undefined || attempt === TRIES) throw err;
      await store.sleep(PAUSE_MS);
    }
  }
}

/** Creates an object, or replaces the one that is there. */
export async function applyResource(loaded: LoadedResource, store: CtlStore): Promise<Resource> {
  try {
    return await createResource(loaded, store);
  } catch (err) {
    if (!isAlreadyExists(err) && !(err instanceof Unsupported)) throw err;
  }
  return await updateResource(loaded, store);
}

function ownMetadata({ name, namespace, labels, annotations }: ObjectMeta): ObjectMeta {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
