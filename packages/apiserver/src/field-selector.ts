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

/** Text as an error shows it, cut at 200 characters. */
const shown = (text: string): string => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);

/** Whether an "=" stands in text without a backslash that escapes it. */
function hasBareEquals(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '=') return true;
  }
  return false;
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
          `Cannot parse field selector ${shown(text)}: term is ${shown(term)}; allowed: field=value, field==value, field!=value`,
        );
      }
      const raw = match[3] ?? '';
      if (hasBareEquals(raw)) {
        throw badRequest(`Cannot parse field selector ${shown(text)}: value holds an unescaped "="`);
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
