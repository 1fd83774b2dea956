/** One requirement of a field selector. */
export interface FieldRequirement {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
}

/** Parses a field selector such as `spec.nodeName=node-1,status.phase!=Failed`; undefined when it does not parse. */
export function parseFieldSelector(text: string): FieldRequirement[] | undefined {
  const requirements: FieldRequirement[] = [];
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const match = /^\s*([^=!\s]+)\s*(==|=|!=)(.*)$/.exec(part);
    if (match === null) return undefined;
    const [, field = '', operator, value = ''] = match;
    requirements.push({ field, value: value.trim(), negated: operator === '!=' });
  }
  return requirements;
}
