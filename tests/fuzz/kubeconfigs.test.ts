// Whatever a kubeconfig holds, reading it gives a server or an error that names the file.
import { describe, expect, test } from 'bun:test';
import { DatastoreError } from '@calico/datastore';
import { parseKubeconfig } from '@calico/datastore/kubernetes';
import { asText, fuzz } from './fuzz.ts';
import { texts } from './inputs.ts';
import { explodingAliases, indentedMaps, yamlWords } from './yaml-inputs.ts';

const words = [
  ...yamlWords,
  ...['current-context: a\n', 'contexts:\n', '- name: a\n', '  context: {cluster: a, user: a}\n', 'clusters:\n'],
  ...[
    '  cluster: {server: "https://a"}\n',
    'users:\n',
    '  user: {token: t}\n',
    'exec: {command: x}\n',
    'tokenFile: t\n',
  ],
  ...['certificate-authority-data: eHh4\n', 'client-certificate: c\n', 'client-key-data: eHh4\n', 'proxy-url: p\n'],
];
const whole =
  'current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\nclusters: [{name: a, cluster: {server: "https://a"}}]\n';

/** The server that a kubeconfig names, or what it is refused with. */
function read(text: string): { server: string } | { refusal: string } {
  try {
    return { server: parseKubeconfig(text, 'given').server };
  } catch (error) {
    if (!(error instanceof DatastoreError)) throw error;
    return { refusal: error.message };
  }
}

describe('kubeconfigs', () => {
  fuzz({
    name: 'kubeconfig',
    form: asText,
    runs: 800,
    inputs: corpus => texts(words, corpus),
    check: text => {
      const result = read(text);
      if ('server' in result) expect(typeof result.server).toBe('string');
      else expect(result.refusal).toStartWith('Cannot load kubeconfig given: ');
    },
  });

  const tenMegabytes = 10 * 2 ** 20;
  test.each([
    { name: 'nothing', text: '', want: 'current-context is missing' },
    { name: 'a list', text: '- a', want: 'current-context is missing' },
    { name: 'aliases that explode', text: explodingAliases(9, 9) + whole, want: 'it is no YAML' },
    { name: '1,000,000 open lists', text: '['.repeat(1_000_000), want: 'it is no YAML' },
    { name: '100,000 open maps of JSON', text: '{"a":'.repeat(100_000), want: 'it is no YAML' },
    { name: '5,000 indented maps', text: indentedMaps(5000), want: 'it is no YAML' },
    { name: 'a null byte', text: `${whole}x: "\0"`, want: 'it is no YAML' },
    { name: 'keys of every object', text: '__proto__: {current-context: a}', want: 'current-context is missing' },
  ])('with $name are refused in words', ({ text, want }) => {
    expect(read(text)).toEqual({ refusal: expect.stringContaining(want) as unknown as string });
  });

  test.each([
    { name: 'a value within itself', text: `x: &x [*x]\n${whole}` },
    { name: '10 MB beside', text: `${whole}x: ${'x'.repeat(tenMegabytes)}` },
    {
      name: '100,000 users',
      text: `${whole}users:\n${Array.from({ length: 100_000 }, (_, i) => `- {name: u${i}}\n`).join('')}`,
    },
  ])(
    'with $name are read',
    ({ text }) => {
      expect(read(text)).toEqual({ server: 'https://a' });
    },
    60_000,
  );
});
