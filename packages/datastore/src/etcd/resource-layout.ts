import type { Kind, Resource } from '@calico/api';
import { under } from './key-range.ts';
import type { Layout } from './layout.ts';

const ROOT = '/calico/resources/v3/projectcalico.org/';
const METADATA = 'projectcalico.org/metadata';
/** Kinds whose names once began with their tier's: in the default tier such a name is read without it. */
const TIERED = new Set(['NetworkPolicy', 'GlobalNetworkPolicy', 'StagedNetworkPolicy', 'StagedGlobalNetworkPolicy']);
const OLD_PREFIX = 'default.';

/** Resources at `<plural>/[<namespace>/]<name>`, as the JSON that users see. */
export function resourceLayout<R extends Resource>(kind: Kind<R>): Layout<R> {
  const prefix = `${ROOT}${kind.plural}/`;
  const tiered = TIERED.has(kind.kind);
  const placeOf = (name: string, namespace: string | undefined): string =>
    kind.namespaced ? `${prefix}${namespace}/${name}` : prefix + name;
  return {
    storesMetadata: true,
    range: namespace => under(namespace === undefined ? prefix : `${prefix}${namespace}/`),
    place: ({ metadata }) => placeOf(metadata.name, metadata.namespace),
    places({ name, namespace }) {
      if (name === '' || name.includes('/') || namespace?.includes('/')) return [];
      return (tiered ? [name, OLD_PREFIX + name] : [name]).map(found => placeOf(found, namespace));
    },
    encode(resource, place) {
      const { resourceVersion: _, ...metadata } = resource.metadata;
      const inKey = place.slice(place.lastIndexOf('/') + 1);
      if (tiered && readName(inKey, resource, undefined) !== metadata.name) {
        metadata.annotations = { ...metadata.annotations, [METADATA]: JSON.stringify({ name: metadata.name }) };
      }
      return { ...resource, metadata: { ...metadata, name: inKey } };
    },
    decode(place, value) {
      const parts = place.slice(prefix.length).split('/');
      const name = parts.pop();
      if (!name || parts.length !== (kind.namespaced ? 1 : 0)) return undefined;
      const stored = value as R;
      const metadata = { ...stored.metadata };
      metadata.name = name;
      if (tiered) {
        const { [METADATA]: note, ...annotations } = metadata.annotations ?? {};
        metadata.name = readName(name, stored, note);
        if (note !== undefined && Object.keys(annotations).length === 0) delete metadata.annotations;
        else if (note !== undefined) metadata.annotations = annotations;
      }
      const [namespace] = parts;
      if (namespace !== undefined) metadata.namespace = namespace;
      return { ...stored, apiVersion: kind.apiVersion, kind: kind.kind, metadata };
    },
  };
}

/** The name of a tiered policy: the one noted, else that in the key, in the default tier without the tier's name. */
function readName(inKey: string, { spec }: Resource, note: string | undefined): string {
  const noted = note === undefined ? undefined : notedName(note);
  if (noted !== undefined) return noted;
  const tier: unknown = Reflect.get(Object(spec), 'tier') ?? 'default';
  return inKey.startsWith(OLD_PREFIX) && (tier === '' || tier === 'default') ? inKey.slice(OLD_PREFIX.length) : inKey;
}

function notedName(note: string): string | undefined {
  try {
    const name: unknown = Reflect.get(Object(JSON.parse(note)), 'name');
    return typeof name === 'string' && name !== '' ? name : undefined;
  } catch {
    return undefined;
  }
}
