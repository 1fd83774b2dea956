/**
 * Field selectors of list and watch requests.
 * Source: Kubernetes documentation, "Field Selectors".
 */
import { badRequest } from './status.ts';

/** One comma-separated term: the field equals the value, or, negated, does not. */
export interface FieldRequirement {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
}

function splitUnescaped(text: string): string[] {
  const parts: string[] = [];
  let current = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    if (c === '\\') {
      current += c + (text[i + 1] ?? '');
      i++;
    } else if (c === ',') {
      parts.push(current);
      current = '';
    } else current += c;
  }
  parts.push(current);
  return parts;
}

/** Parses `metadata.name=x,spec.nodeName!=y`; `\,` `\=` and `\\` are escapes in values. Throws a 400 ApiError. */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  if (text.trim() === '') return [];
  return splitUnescaped(text)
    .filter(term => term !== '')
    .map(term => {
      const match = /^([^=!\\]+)(==|=|!=)(.*)$/s.exec(term.trim());
      if (!match) {
        throw badRequest(
          `Cannot parse field selector ${JSON.stringify(text)}: term is ${JSON.stringify(term)}; allowed: field=value, field==value, field!=value`,
        );
      }
      const raw = match[3] ?? '';
      if (/(^|[^\\])(\\\\)*=/.test(raw)) {
        throw badRequest(`Cannot parse field selector ${JSON.stringify(text)}: value holds an unescaped "="`);
      }
      return {
        field: (match[1] ?? '').trim(),
        value: raw.replace(/\\([\\,=])/g, '$1'),
        negated: match[2] === '!=',
      };
    });
}

/** Whether fields, read by `get`, satisfy every requirement; an absent field is the empty string. */
export function matchesFields(
  requirements: readonly FieldRequirement[],
  get: (field: string) => string | undefined,
): boolean {
  return requirements.every(r => ((get(r.field) ?? '') === r.value) !== r.negated);
}
