import type { ObjectMeta } from './resource.ts';
import { isObject } from './schema/node.ts';

/** Gives an object a label. What stands in the place of labels and is no map is left for validation to name. */
export function setLabel(metadata: ObjectMeta, name: string, value: string): void {
  const { labels } = metadata;
  if (labels === undefined || isObject(labels)) metadata.labels = { ...labels, [name]: value };
}
