import { kindOf, type Resource, type ResourceUpdate } from '@calico/api';
import { FELIX_SOURCES } from '@calico/datastore';

/**
 * What the syncer would tell of a resource as its user wrote it: defaulted, converted; undefined where the model has nothing of
 * it. Throws for a kind that no syncer reads, and for a resource that is not valid.
 */
export function modelUpdate(resource: Resource, present = true): ResourceUpdate | undefined {
  const kind = kindOf(resource.apiVersion, resource.kind);
  const source = FELIX_SOURCES.find(each => each.kind === kind);
  if (kind === undefined || source === undefined) {
    throw new Error(`Cannot take in kind ${resource.kind} of ${resource.apiVersion}`);
  }
  const { name, namespace } = resource.metadata;
  const key = namespace === undefined ? { name } : { name, namespace };
  const converted = source.convert(kind.default(resource) as never, key);
  if (converted === undefined) return undefined;
  if (!('resource' in converted)) {
    throw new Error(`Cannot take in ${kind.kind} ${name}: ${converted.errors.join('; ')}`);
  }
  const scope = source.namespaced && namespace !== undefined ? { namespace } : {};
  return { kind: source.model, name: converted.name, ...scope, resource: present ? converted.resource : undefined };
}
