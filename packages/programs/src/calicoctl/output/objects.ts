import { printJson, type Resource } from '@calico/api';

/** The order in which fields stand in front; the rest follows as it comes. */
const FIRST = ['kind', 'apiVersion', 'metadata'];

/** JSON with two spaces, kind and apiVersion first; no newline at the end. */
export function printJsonObjects(value: object): string {
  return printJson(Array.isArray(value) ? value.map(ordered) : ordered(value), 2);
}

function ordered(value: object): object {
  const fields = Object.entries(value);
  const front = FIRST.flatMap(name => fields.filter(([field]) => field === name));
  const rest = fields.filter(([field]) => !FIRST.includes(field));
  const items = (field: string, part: unknown): unknown =>
    field === 'items' && Array.isArray(part) ? part.map(ordered) : part;
  return Object.fromEntries([...front, ...rest].map(([field, part]) => [field, items(field, part)]));
}

/** YAML with sorted fields, quoted where a reader of YAML 1.1 would take a text for something else. */
export async function printYamlObjects(value: object): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, {
    sortMapEntries: true,
    indentSeq: false,
    lineWidth: 0,
    compat: 'yaml-1.1',
    aliasDuplicateObjects: false,
  });
}

/** A resource without the server's own notes on who set which field: no one reads them, kubectl leaves them out too. */
export function withoutManagedFields(resource: Resource): Resource {
  const metadata: Resource['metadata'] & { managedFields?: unknown } = { ...resource.metadata };
  delete metadata.managedFields;
  return { ...resource, metadata };
}

/** A resource without what belongs to the cluster it was read from: what can be given to another. */
export function exported(resource: Resource): Resource {
  const metadata = { ...resource.metadata };
  delete metadata.namespace;
  delete metadata.uid;
  delete metadata.resourceVersion;
  delete metadata.generation;
  delete metadata.creationTimestamp;
  delete metadata.deletionTimestamp;
  return { ...resource, metadata };
}
