import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { kinds } from '@calico/api';
import { OUR_CRDS, REFERENCE_CRDS, readCrds } from './crds.ts';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from './server.ts';

const missing = missingForKubernetes() ?? (existsSync(OUR_CRDS) ? undefined : 'needs manifests/crds');

/** What kubectl wrote, and whether it was content. */
function kubectl(server: KubernetesServer, ...args: string[]): { ok: boolean; output: string } {
  const authority = join(server.folder, 'certificates', 'apiserver.crt');
  const access = [`--server=${server.url}`, `--token=${server.token}`, `--certificate-authority=${authority}`];
  const { success, stdout, stderr } = Bun.spawnSync([server.kubectl, ...access, ...args], {
    env: { HOME: server.folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { ok: success, output: `${stdout}${stderr}` };
}

function ourCrds(): void {
  let server: KubernetesServer;
  beforeAll(async () => {
    server = await startKubernetes();
  }, BUILD_MS);
  afterAll(() => server.stop());

  for (const [how, flags] of Object.entries({ 'from the client': [], 'on the server': ['--server-side'] })) {
    test(`kubectl applies our CRDs ${how}, twice, and nothing changes the second time`, () => {
      const apply = () => kubectl(server, 'apply', ...flags, '--recursive', '-f', OUR_CRDS);
      const first = apply();
      expect(first).toEqual({ ok: true, output: expect.not.stringMatching(/error|invalid|warning/i) });
      const versions = () => kubectl(server, 'get', 'crd', '-o', 'jsonpath={.items[*].metadata.generation}').output;
      const before = versions();
      expect(apply().ok).toBe(true);
      expect(versions()).toBe(before);
      if (how === 'from the client') expect(kubectl(server, 'delete', '--recursive', '-f', OUR_CRDS).ok).toBe(true);
    });
  }

  for (const group of ['projectcalico.org', 'crd.projectcalico.org']) {
    test(`every CRD of ${group} is established with the structure of its schema taken`, async () => {
      const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      for (const { metadata } of readCrds(OUR_CRDS, group)) {
        await server.until(async () => {
          const text = await (await server.request('GET', `${path}/${metadata.name}`)).text();
          const { status } = JSON.parse(text) as { status?: { conditions?: { type: string; status: string }[] } };
          const holds = (type: string): boolean =>
            status?.conditions?.some(condition => condition.type === type && condition.status === 'True') ?? false;
          if (holds('NonStructuralSchema')) throw new Error(`${metadata.name}: ${text}`);
          return holds('Established') && holds('NamesAccepted');
        });
      }
    });
  }

  const folders = [OUR_CRDS, REFERENCE_CRDS].filter(folder => existsSync(folder));
  test('the status is a subresource of the same kinds as with us', () => {
    for (const { spec } of folders.flatMap(folder => readCrds(folder, 'projectcalico.org'))) {
      const kind = kinds.find(({ group, plural }) => group === spec.group && plural === spec.names.plural);
      const wanted = spec.versions[0]?.subresources?.status !== undefined;
      expect([spec.names.plural, kind?.statusSubresource]).toEqual([spec.names.plural, wanted]);
    }
  });
}

if (missing !== undefined) test.skip(`our CRDs on a real kube-apiserver (${missing})`, () => {});
else describe('on a real kube-apiserver', ourCrds);
