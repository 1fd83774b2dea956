import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runLab, scratchFolder } from './lab-command.ts';

const folder = scratchFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const v3 = (kind: string, spec: string, metadata = '{name: mine}') =>
  `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`;
const kubernetes = (spec: string) =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: mine}\nspec: ${spec}\n`;
const good = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: fine}\n---\n';

/** Each text must be refused; the answer names file, object, field and value. */
const cases: readonly { readonly name: string; readonly yaml: string; readonly says: readonly string[] }[] = [
  { name: 'YAML that does not parse', yaml: 'kind: Pod\n  name: [\n', says: [':5:7', 'Nested mappings'] },
  { name: 'YAML with a key twice', yaml: 'kind: Pod\nkind: Pod\n', says: [':6:1', 'unique'] },
  { name: 'YAML that is a list', yaml: '- kind: Pod\n', says: ['an object was expected'] },
  { name: 'a bomb of aliases', yaml: bomb(), says: ['.yaml:4', 'alias'] },
  {
    name: 'a kind that the lab does not run',
    yaml: 'apiVersion: batch/v1\nkind: Job\nmetadata: {name: mine}\n',
    says: ['Job', '"mine"', 'batch/v1', 'Deployment'],
  },
  {
    name: 'a kind of another version',
    yaml: 'apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: mine}\n',
    says: ['Deployment', '"mine"', 'apps/v1beta1'],
  },
  { name: 'an object without kind', yaml: 'apiVersion: v1\nmetadata: {name: mine}\n', says: ['"mine"'] },
  {
    name: 'an object without name',
    yaml: 'apiVersion: v1\nkind: Namespace\nmetadata: {}\n',
    says: ['Namespace', 'metadata.name'],
  },
  { name: 'an object without metadata', yaml: 'apiVersion: v1\nkind: Namespace\n', says: ['Namespace', 'metadata'] },
  {
    name: 'metadata that is text',
    yaml: 'apiVersion: v1\nkind: Namespace\nmetadata: mine\n',
    says: ['Namespace', 'metadata'],
  },
  {
    name: 'an unknown field',
    yaml: v3('GlobalNetworkPolicy', '{selektor: all()}'),
    says: ['GlobalNetworkPolicy "mine"', 'spec.selektor', 'unknown field'],
  },
  {
    name: 'an unknown field deep inside',
    yaml: kubernetes('{podSelector: {}, ingress: [{form: []}]}'),
    says: ['NetworkPolicy "mine"', 'spec.ingress[0].form'],
  },
  {
    name: 'a bad CIDR',
    yaml: v3('IPPool', '{cidr: 10.0.0.0/33}'),
    says: ['IPPool "mine"', 'spec.cidr', '10.0.0.0/33'],
  },
  {
    name: 'a bad CIDR in a rule',
    yaml: v3('NetworkPolicy', '{ingress: [{action: Allow, source: {nets: [10.0.0.300/24]}}]}'),
    says: ['spec.ingress[0].source.nets[0]', '10.0.0.300/24'],
  },
  {
    name: 'a bad CIDR in an ipBlock',
    yaml: kubernetes('{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: nowhere}}]}]}'),
    says: ['NetworkPolicy "mine"', 'spec.ingress[0].from[0].ipBlock.cidr', 'nowhere'],
  },
  {
    name: 'an except outside of its ipBlock',
    yaml: kubernetes('{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24, except: [10.1.0.0/25]}}]}]}'),
    says: ['except[0]', '10.1.0.0/25'],
  },
  {
    name: 'a bad selector',
    yaml: v3('GlobalNetworkPolicy', '{selector: "app == "}'),
    says: ['GlobalNetworkPolicy "mine"', 'spec.selector', 'app =='],
  },
  {
    name: 'a bad selector in a rule',
    yaml: v3('GlobalNetworkPolicy', '{ingress: [{action: Deny, source: {selector: "a in b"}}]}'),
    says: ['spec.ingress[0].source.selector', 'a in b'],
  },
  {
    name: 'an unknown action',
    yaml: v3('GlobalNetworkPolicy', '{ingress: [{action: Reject}]}'),
    says: ['spec.ingress[0].action', 'Reject', 'Allow'],
  },
  {
    name: 'a port out of range',
    yaml: v3('NetworkPolicy', '{ingress: [{action: Allow, protocol: TCP, destination: {ports: [70000]}}]}'),
    says: ['spec.ingress[0].destination.ports[0]', '70000'],
  },
  {
    name: 'ports without a protocol that has them',
    yaml: v3('NetworkPolicy', '{ingress: [{action: Allow, protocol: ICMP, destination: {ports: [80]}}]}'),
    says: ['spec.ingress[0]', 'ports'],
  },
  {
    name: 'a port range backwards',
    yaml: kubernetes('{podSelector: {}, ingress: [{ports: [{protocol: TCP, port: 90, endPort: 80}]}]}'),
    says: ['endPort', '80'],
  },
  {
    name: 'labels that are a number',
    yaml: 'apiVersion: v1\nkind: Namespace\nmetadata: {name: mine, labels: {a: 1}}\n',
    says: ['metadata.labels', '1'],
  },
  {
    name: 'a Deployment whose selector misses its pods',
    yaml: deployment('{app: other}'),
    says: ['Deployment "mine"', 'spec.selector'],
  },
  {
    name: 'a policy of host endpoints, which no node enforces',
    yaml: v3('GlobalNetworkPolicy', '{applyOnForward: true, doNotTrack: true}'),
    says: ['GlobalNetworkPolicy "mine"', 'spec.doNotTrack', 'true'],
  },
  {
    name: 'an http match, which no node enforces',
    yaml: v3('GlobalNetworkPolicy', '{ingress: [{action: Allow, protocol: TCP, http: {methods: [GET]}}]}'),
    says: ['GlobalNetworkPolicy "mine"', 'spec.ingress[0].http'],
  },
];

function deployment(labels: string): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: {name: mine}
spec:
  selector: {matchLabels: {app: mine}}
  template: {metadata: {labels: ${labels}}, spec: {containers: [{name: c, image: i}]}}
`;
}

function bomb(): string {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i}: &l${i} [${`*l${i - 1},`.repeat(9).slice(0, -1)}]`);
  levels[0] = 'l0: &l0 [a,a]';
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\n${levels.join('\n')}\n`;
}

describe('lab up refuses, starts nothing and ends with 1', () => {
  test.each(cases)('$name', async ({ yaml, says }) => {
    const file = join(folder, 'objects.yaml');
    writeFileSync(file, good + yaml);
    const { exitCode, stdout, stderr, left } = await runLab(['up', '--once', '--manifests', file]);
    for (const text of [file, ...says]) expect(stderr).toContain(text);
    expect(stderr).not.toContain('starting');
    expect({ exitCode, stdout, left }).toEqual({ exitCode: 1, stdout: '', left: [] });
  });

  test('everything that is wrong is said at once', async () => {
    const file = join(folder, 'many.yaml');
    writeFileSync(file, [v3('IPPool', '{cidr: x}'), v3('Tier', '{order: y}')].join('---\n'));
    const { exitCode, stderr } = await runLab(['up', '--once', '--manifests', file]);
    expect(exitCode).toBe(1);
    for (const text of ['IPPool "mine"', 'spec.cidr', 'Tier "mine"', 'spec.order']) expect(stderr).toContain(text);
  });

  const empty = join(folder, 'empty');
  mkdirSync(empty, { recursive: true });
  test.each([
    { name: 'no such file', args: ['--manifests', join(folder, 'absent.yaml')], says: ['absent.yaml', 'no such file'] },
    { name: 'a folder without manifests', args: ['--manifests', empty], says: [empty, 'no object'] },
    { name: 'too many nodes', args: ['--nodes', '9'], says: ['--nodes', '9', '1 to 8'] },
    { name: 'no nodes', args: ['--nodes', '0'], says: ['--nodes', '0'] },
    { name: 'half a node', args: ['--nodes', '1.5'], says: ['--nodes', '1.5'] },
    { name: 'an unknown encapsulation', args: ['--encapsulation', 'ipip'], says: ['--encapsulation', 'ipip', 'vxlan'] },
    { name: 'a port that is none', args: ['--port', '70000'], says: ['--port', '70000'] },
    { name: 'an unknown option', args: ['--node', '3'], says: ['--node'] },
    { name: 'an unknown command', args: [], command: 'down', says: ['down'] },
  ])('$name', async ({ args, says, command }) => {
    const { exitCode, stdout, stderr, left } = await runLab([command ?? 'up', ...args]);
    for (const text of says) expect(stderr).toContain(text);
    expect(stderr).not.toContain('starting');
    expect({ exitCode, stdout, left }).toEqual({ exitCode: 1, stdout: '', left: [] });
  });

  test('a port that is taken', async () => {
    const other = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    const { exitCode, stdout, stderr, left } = await runLab(['up', '--once', '--port', String(other.port)]);
    other.stop(true);
    expect(stderr).toContain(String(other.port));
    expect(stderr).not.toContain('building');
    expect({ exitCode, stdout, left }).toEqual({ exitCode: 1, stdout: '', left: [] });
  });

  test('a shell where no lab runs', async () => {
    const { exitCode, stderr } = await runLab(['shell', 'default/web']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('npm start');
  });
});
