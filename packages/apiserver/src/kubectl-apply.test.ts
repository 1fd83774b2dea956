/** Server-side apply, diff and edit with the real kubectl. */
import { afterAll, beforeAll, expect } from 'bun:test';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type KubectlServer, kubectlTest, startKubectlServer } from './testing-kubectl.ts';

let server: KubectlServer;
beforeAll(async () => {
  server = await startKubectlServer();
});
afterAll(() => server.stop());

const kubectl = (command: string, stdin = '', code = 0, env = {}) => server.kubectl(command, stdin, code, env);

const pod = (more = '') => `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  containers:
  - {name: web, image: web:1, env: [{name: A, value: "1"}], ports: [{containerPort: 80}]}
${more}`;

const deployment = (replicas: string, image: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: default}
spec:
${replicas}
  selector: {matchLabels: {app: api}}
  template: {metadata: {labels: {app: api}}, spec: {containers: [{name: api, image: "${image}"}]}}
`;

async function managers(object: string): Promise<string[]> {
  const { metadata } = JSON.parse(await kubectl(`get ${object} -o json --show-managed-fields`));
  return metadata.managedFields.map(
    (f: { manager: string; operation: string; subresource?: string }) =>
      `${f.manager} ${f.operation}${f.subresource === undefined ? '' : ` ${f.subresource}`}`,
  );
}

kubectlTest(
  'kubectl apply --server-side creates, changes and removes what it applied',
  async () => {
    expect(await kubectl('apply --server-side -f -', pod())).toBe('pod/web serverside-applied\n');
    expect(await kubectl('get pod web -o yaml')).not.toContain('managedFields');
    expect(await managers('pod web')).toEqual(['kubectl Apply']);
    const names = `get deploy two -o jsonpath='{.spec.template.spec.containers[*].name}'`;
    const two = deployment('', 'api:1').replace('name: api,', 'name: two,');
    const sidecar = two.replace('containers: [', 'containers: [{name: side, image: "side:1"}, ');
    await kubectl('apply --server-side -f -', sidecar);
    expect(await kubectl(names)).toBe('side api');
    await kubectl('apply --server-side -f -', two);
    expect(await kubectl(names)).toBe('api');
  },
  20_000,
);

kubectlTest(
  'kubectl apply --server-side tells of conflicts, and takes fields over with force',
  async () => {
    await kubectl('apply --server-side -f -', deployment('  replicas: 1', 'api:1'));
    await kubectl('scale deploy api --replicas=3');
    const refused = await kubectl('apply --server-side -f -', deployment('  replicas: 1', 'api:1'), 1);
    expect(refused).toContain(
      'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1',
    );
    expect(refused).toContain(': .spec.replicas\n');
    await kubectl('apply --server-side --force-conflicts -f -', deployment('  replicas: 2', 'api:1'));
    expect(await kubectl(`get deploy api -o jsonpath='{.spec.replicas}'`)).toBe('2');
    const other = 'apply --server-side --field-manager=other -f -';
    const two = await kubectl(other, deployment('  replicas: 5', 'api:2'), 1);
    expect(two).toContain('Apply failed with 2 conflicts: conflicts with "kubectl":');
    expect(two).toContain('- .spec.template.spec.containers[name="api"].image');
    expect(two).toContain('Please review the fields above--they currently have other managers.');
    await kubectl(other, deployment('  replicas: 2', 'api:1'));
    expect(await managers('deploy api')).toEqual(['kubectl Apply', 'other Apply']);
    await kubectl('apply --server-side -f -', deployment('', 'api:1'));
    expect(await kubectl(`get deploy api -o jsonpath='{.spec.replicas}'`)).toBe('2');
    await kubectl(other, deployment('', 'api:1'));
    expect(await kubectl(`get deploy api -o jsonpath='{.spec.replicas}'`)).toBe('1');
  },
  20_000,
);

kubectlTest(
  'kubectl apply --server-side dry runs change nothing, and faults are told',
  async () => {
    const dry = 'apply --server-side --dry-run=server -f -';
    const image = `get pod web -o jsonpath='{.spec.containers[*].image}'`;
    expect(await kubectl(dry, pod().replace('web:1', 'web:2'))).toBe('pod/web serverside-applied (server dry run)\n');
    expect(await kubectl(image)).toBe('web:1');
    const twice = pod('  - {name: web, image: web:2}\n');
    expect(await kubectl('apply --server-side -f -', twice, 1)).toContain(
      '.spec.containers gives the item {"name":"web"} twice',
    );
    const unknown = pod().replace('image: web:1', 'image: web:1, colour: red');
    expect(await kubectl('apply --server-side -f -', unknown, 1)).toContain(
      'unknown field "spec.containers[0].colour"',
    );
  },
  20_000,
);

kubectlTest(
  'an object applied from the client moves to server-side apply and loses what is no longer applied',
  async () => {
    const map = (data: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moved}\ndata: {${data}}\n`;
    await kubectl('apply -f -', map('a: "1", b: "2"'));
    expect(await managers('cm moved')).toEqual(['kubectl-client-side-apply Update']);
    await kubectl('apply --server-side -f -', map('a: "3"'));
    expect(JSON.parse(await kubectl('get cm moved -o json')).data).toEqual({ a: '3' });
    expect(await managers('cm moved')).toEqual(['kubectl-last-applied Apply', 'kubectl Apply']);
  },
  20_000,
);

kubectlTest(
  'kubectl diff shows what an apply would change, from client and server side',
  async () => {
    const changed = pod().replace('web:1', 'web:2');
    for (const how of ['diff -f -', 'diff --server-side -f -']) {
      const text = await kubectl(how, changed, 1);
      const lines = text.split('\n').filter(line => /^[-+] /.test(line) && !line.includes('annotations'));
      expect(lines).toEqual(['-    image: web:1', '+    image: web:2']);
    }
    expect(await kubectl('diff --server-side -f -', pod())).toBe('');
  },
  20_000,
);

kubectlTest(
  'kubectl edit stores what the editor leaves',
  async () => {
    const editor = join(server.folder, 'editor');
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/app: web/app: edited/" "$1"\n');
    chmodSync(editor, 0o755);
    const env = { EDITOR: editor, KUBE_EDITOR: editor };
    expect(await kubectl('edit pod web', '', 0, env)).toBe('pod/web edited\n');
    expect(await kubectl('get pod web --show-labels')).toContain('app=edited');
    expect(await kubectl('edit pod web', '', 0, env)).toContain('no changes made');
    expect(await managers('pod web')).toEqual(['kubectl Apply', 'kubectl-edit Update']);
  },
  20_000,
);
