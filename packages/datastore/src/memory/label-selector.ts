/** One requirement of a Kubernetes label selector. */
type Requirement = (labels: Readonly<Record<string, string>>) => boolean;

const KEY = '[A-Za-z0-9]([A-Za-z0-9_./-]*[A-Za-z0-9])?';
const VALUE = '[A-Za-z0-9_.-]*';
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);
const EQUALITY = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const MEMBERSHIP = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);

/** Splits at the commas outside of parentheses. */
function splitRequirements(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.map(part => part.trim()).filter(part => part !== '');
}

function parseRequirement(text: string): Requirement | undefined {
  const membership = MEMBERSHIP.exec(text);
  if (membership !== null) {
    const [, key = '', , operator, list = ''] = membership;
    const values = new Set(list.split(',').map(value => value.trim()));
    return operator === 'in'
      ? labels => labels[key] !== undefined && values.has(labels[key])
      : labels => labels[key] === undefined || !values.has(labels[key]);
  }
  const equality = EQUALITY.exec(text);
  if (equality !== null) {
    const [, key = '', , operator, value = ''] = equality;
    return operator === '!=' ? labels => labels[key] !== value : labels => labels[key] === value;
  }
  const exists = EXISTS.exec(text);
  if (exists !== null) {
    const [, not, key = ''] = exists;
    return not === '!' ? labels => labels[key] === undefined : labels => labels[key] !== undefined;
  }
  return undefined;
}

/**
 * A Kubernetes label selector such as `app=web,tier in (a, b),!old` as a test of labels; undefined when it does not parse.
 * The language: Kubernetes documentation, "Labels and Selectors".
 */
export function parseLabelSelector(
  text: string,
): ((labels: Readonly<Record<string, string>> | undefined) => boolean) | undefined {
  const requirements: Requirement[] = [];
  for (const part of splitRequirements(text)) {
    const requirement = parseRequirement(part);
    if (requirement === undefined) return undefined;
    requirements.push(requirement);
  }
  return labels => requirements.every(requirement => requirement(labels ?? {}));
}
