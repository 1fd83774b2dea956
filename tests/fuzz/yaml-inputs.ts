/** Words of YAML, and what its readers stumble over. */
export const yamlWords = [
  ...[
    'apiVersion: v1\n',
    'apiVersion: projectcalico.org/v3\n',
    'kind: IPPool\n',
    'kind: Namespace\n',
    'kind: List\n',
    'items:\n- ',
  ],
  ...[
    'metadata:\n',
    '  name: a\n',
    '---\n',
    '...\n',
    '&a ',
    '*a',
    '<<: ',
    '!!binary ',
    '!!set ',
    '!x ',
    '? ',
    ': ',
    '- ',
  ],
  ...[
    '[',
    ']',
    '{',
    '}',
    ',',
    '|\n',
    '>-\n',
    '#',
    '%YAML 1.1\n',
    'spec: {cidr: 10.0.0.0/8}\n',
    '0x7f',
    '1e999',
    '.inf',
  ],
  ...['2020-01-01', 'null', '~', 'yes', '-0', '1763704527000000001', '\xff\xfe'],
];

/** Levels of lists, each of which holds the one below so many times. */
export function explodingAliases(levels: number, times: number): string {
  const level = (i: number) =>
    `l${i}: &l${i} [${Array(times)
      .fill(`*l${i - 1}`)
      .join(', ')}]\n`;
  return ['l0: &l0 x\n', ...Array.from({ length: levels }, (_, i) => level(i + 1))].join('');
}

/** Maps within each other, by indentation. */
export function indentedMaps(depth: number): string {
  return Array.from({ length: depth }, (_, i) => `${' '.repeat(i)}a:\n`).join('');
}
