import { FORMATS } from './formats.ts';
import type { SchemaNode } from './node.ts';

/** A text that no format takes: asked about it, each tells what it allows. */
const NOTHING = '\u0000';

/** What a value may be besides its type, in words and without the last full stop; '' if anything goes. */
export function allowedWords(node: SchemaNode): string {
  return [
    node.enum?.map(value => JSON.stringify(value)).join(', '),
    range(node),
    count('characters', node.minLength, node.maxLength),
    count('items', node.minItems, node.maxItems),
    count('fields', node.minProperties, node.maxProperties),
    formatWords(node['x-calico-format']),
    node['x-calico-allowed'] ?? (node.pattern === undefined ? undefined : `text that matches ${node.pattern}`),
    node['x-kubernetes-list-type'] === 'set' ? 'no duplicates' : undefined,
  ]
    .filter(part => part !== undefined && part !== '')
    .join('; ');
}

function range({ minimum, maximum }: SchemaNode): string | undefined {
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${minimum} or above`;
  return maximum === undefined ? undefined : `${maximum} or below`;
}

function count(what: string, least: number | undefined, most: number | undefined): string | undefined {
  if (least !== undefined && least === most) return `exactly ${least} ${what}`;
  if (least !== undefined && most !== undefined) return `${least} to ${most} ${what}`;
  if (least !== undefined) return `at least ${least} ${what}`;
  return most === undefined ? undefined : `at most ${most} ${what}`;
}

function formatWords(format: string | undefined): string | undefined {
  const told = format === undefined ? undefined : FORMATS[format]?.(NOTHING);
  return told?.replace(/^must be /, '').replace(/": .*$/, '"');
}
