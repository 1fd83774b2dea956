import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManifestError, readManifests } from './manifests.ts';

const folder = mkdtempSync(join(tmpdir(), 'manifests-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
let serial = 0;

/** Writes files, by name, into a new folder. */
function write(files: Readonly<Record<string, string>>): string {
  const root = join(folder, String(serial++));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

function problemsOf(...paths: string[]): readonly string[] {
  try {
    readManifests(paths);
  } catch (error) {
    if (error instanceof ManifestError) return error.problems;
    throw error;
  }
  return [];
}

const namespace = (name: string) => `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`;
const names = (root: string) => readManifests([root]).map(({ resource }) => resource.metadata.name);

interface Readable {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly want: readonly string[];
}

describe('readManifests', () => {
  test.each<Readable>([
    { name: 'YAML', files: { 'a.yaml': namespace('a') }, want: ['a'] },
    { name: 'YAML under its other name', files: { 'a.yml': namespace('a') }, want: ['a'] },
    {
      name: 'JSON',
      files: { 'a.json': '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}' },
      want: ['a'],
    },
    {
      name: 'several documents',
      files: { 'a.yaml': [namespace('a'), namespace('b')].join('---\n') },
      want: ['a', 'b'],
    },
    {
      name: 'empty documents and comments',
      files: { 'a.yaml': `# first\n---\n---\n${namespace('a')}---\n# last\n` },
      want: ['a'],
    },
    {
      name: 'files in order of their names',
      files: { 'b.yaml': namespace('b'), 'a.yaml': namespace('a') },
      want: ['a', 'b'],
    },
    { name: 'folders in folders', files: { 'x/y/a.yaml': namespace('a'), 'b.yaml': namespace('b') }, want: ['b', 'a'] },
    {
      name: 'no other files',
      files: { 'a.yaml': namespace('a'), 'README.md': 'x: [', 'kustomization.yaml': 'resources: []' },
      want: ['a'],
    },
    {
      name: 'lists',
      files: {
        'a.yaml':
          'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n',
      },
      want: ['a', 'b'],
    },
    {
      name: 'anchors',
      files: {
        'a.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: &m {x: y}, annotations: *m}\n',
      },
      want: ['a'],
    },
    { name: 'a byte order mark', files: { 'a.yaml': `\uFEFF${namespace('a')}` }, want: ['a'] },
    { name: 'Windows line ends', files: { 'a.yaml': namespace('a').replaceAll('\n', '\r\n') }, want: ['a'] },
  ])('reads $name', ({ files, want }) => {
    expect(names(write(files))).toEqual([...want]);
  });

  test('puts a namespaced object that names none into default, and leaves others alone', () => {
    const account = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n';
    const root = write({
      'a.yaml': [account, account.replace('{name: a}', '{name: b, namespace: x}'), namespace('c')].join('---\n'),
    });
    expect(readManifests([root]).map(({ resource }) => resource.metadata.namespace)).toEqual([
      'default',
      'x',
      undefined,
    ]);
  });

  test('takes files and folders side by side, and says where each object is from', () => {
    const root = write({ 'a.yaml': namespace('a'), 'x/b.yaml': namespace('b') });
    const found = readManifests([join(root, 'a.yaml'), join(root, 'x')]);
    expect(found.map(({ file, kind }) => [file, kind.kind as string])).toEqual([
      [join(root, 'a.yaml'), 'Namespace'],
      [join(root, 'x/b.yaml'), 'Namespace'],
    ]);
  });

  test.each([
    { name: 'no such file', path: 'absent.yaml', files: {}, want: /absent\.yaml: no such file or folder$/ },
    {
      name: 'an empty folder',
      path: '.',
      files: { 'README.md': 'x' },
      want: /no object in any \.yaml, \.yml or \.json file$/,
    },
    { name: 'an empty file', path: 'a.yaml', files: { 'a.yaml': '' }, want: /a\.yaml: no object/ },
    {
      name: 'bad YAML, by line and column',
      path: 'a.yaml',
      files: { 'a.yaml': 'a: 1\nb: [1\n' },
      want: /a\.yaml:3:1: Flow sequence/,
    },
    {
      name: 'a value that is no object',
      path: 'a.yaml',
      files: { 'a.yaml': 'just text\n' },
      want: /a\.yaml:1: an object was expected, this is "just text"$/,
    },
    {
      name: 'an unknown kind',
      path: 'a.yaml',
      files: { 'a.yaml': 'apiVersion: v9\nkind: Thing\nmetadata: {name: a}\n' },
      want: /a\.yaml: Thing "a": the lab does not run kind "Thing" of "v9"; allowed: .*Deployment/,
    },
    {
      name: 'an unknown field',
      path: 'a.yaml',
      files: { 'a.yaml': `${namespace('a')}sepc: {}\n` },
      want: /a\.yaml: Namespace "a": sepc: unknown field$/,
    },
    {
      name: 'a bad value, with field and value',
      path: 'a.yaml',
      files: {
        'a.yaml': 'apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: a}\nspec: {cidr: 1.2.3.4/40}\n',
      },
      want: /a\.yaml: IPPool "a": spec\.cidr: .*"1\.2\.3\.4\/40"/,
    },
    {
      name: 'what no node enforces',
      path: 'a.yaml',
      files: {
        'a.yaml':
          'apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: a}\nspec: {preDNAT: true, applyOnForward: true}\n',
      },
      want: /GlobalNetworkPolicy "a": spec\.\w+: .*true/,
    },
  ])('refuses $name', ({ path, files, want }) => {
    const problems = problemsOf(join(write({ ...(files as Record<string, string>), keep: '' }), path));
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join('\n')).toMatch(want);
  });

  test('names every problem of every file, and gives nothing of what is right', () => {
    const root = write({
      'a.yaml': namespace('a'),
      'b.yaml': 'kind: [\n',
      'c.yaml': 'apiVersion: v1\nkind: Nothing\nmetadata: {name: c}\n',
    });
    const problems = problemsOf(root, join(root, 'absent'));
    for (const part of ['b.yaml:2', 'c.yaml', 'absent']) expect(problems.join('\n')).toContain(part);
  });
});
