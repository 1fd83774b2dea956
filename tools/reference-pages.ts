/** The pages of docs/reference, made from the declarations of the kinds. */
import { type FieldRow, fieldRows, type Kind, kinds, printJson } from '@calico/api';
import { parse, stringify } from 'yaml';

/** Groups of Calico's own kinds and of those that it implements for others. */
const GROUPS = new Set(['projectcalico.org', 'policy.networking.k8s.io']);

/** Name and text of every page, and of the list of them; the first line tells the command that made it. */
export function referencePages(): { readonly name: string; readonly text: string }[] {
  const documented = kinds.filter(({ group }) => GROUPS.has(group));
  return [
    { name: 'README.md', text: list(documented) },
    ...documented.map(kind => ({ name: pageName(kind), text: page(kind) })),
  ];
}

const MADE_BY = '<!-- bun tools/generate-reference.ts -->';

function pageName(kind: Kind): string {
  return `${kind.kind.toLowerCase()}.md`;
}

function list(documented: readonly Kind[]): string {
  return [
    MADE_BY,
    '# Kinds of the API',
    '',
    '| Kind | apiVersion | What it is |',
    '|---|---|---|',
    ...documented.map(kind => `| [${kind.kind}](${pageName(kind)}) | ${kind.apiVersion} | ${cell(kind.description)} |`),
    '',
  ].join('\n');
}

function page(kind: Kind): string {
  const { fields, rules } = fieldRows(kind);
  const others = [...new Set([...kind.shortNames, ...kind.aliases])];
  const names = [kind.plural, kind.singular, ...others].map(code).join(', ');
  // Objects of one page may hold numbers that JavaScript's own JSON would round.
  const example = stringify(parse(printJson(kind.example()), { intAsBigInt: true }), { lineWidth: 0 });
  return [
    MADE_BY,
    `# ${kind.kind}`,
    '',
    kind.description,
    '',
    `- apiVersion: ${code(kind.apiVersion)}`,
    `- Scope: ${kind.namespaced ? 'namespaced' : 'cluster'}`,
    `- Names for kubectl and calicoctl: ${names}`,
    ...(kind.served ? [] : ['- Derived from other objects: the embedded API server does not store it.']),
    '',
    '```yaml',
    example.trimEnd(),
    '```',
    '',
    '## Fields',
    '',
    '| Field | Type | Default | Allowed | What it says |',
    '|---|---|---|---|---|',
    ...fields.map(row),
    '',
    ...(rules.length === 0
      ? []
      : [
          '## Rules',
          '',
          ...rules.map(rule => `- ${code(rule.path === '' ? 'object' : rule.path)}: ${rule.message}`),
          '',
        ]),
  ].join('\n');
}

function row({ path, type, required, default: fallback, allowed, description }: FieldRow): string {
  const cells = [
    code(path),
    `${type}${required ? ', required' : ''}`,
    fallback === undefined ? '' : code(fallback),
    cell(allowed),
    cell(description),
  ];
  return `| ${cells.join(' | ')} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('*', '\\*').replaceAll('<', '&lt;');
}
