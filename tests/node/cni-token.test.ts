import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceAccount } from '@calico/api';
import { calicoClient, readKubeconfigs, requestServiceAccountToken } from '@calico/datastore/kubernetes';
import type { Logger } from '@calico/process';
import { createLogger } from '@calico/process';
import { cniTokenService } from '../../packages/programs/src/node/cni-token.ts';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from '../kubernetes/server.ts';
import { until } from './node-host.ts';

const missing = missingForKubernetes();
setDefaultTimeout(60_000);

describe.skipIf(missing !== undefined)(`the token of the CNI plugin on a real kube-apiserver ${missing ?? ''}`, () => {
  let server: KubernetesServer;
  const folder = mkdtempSync(join(tmpdir(), 'calico-cni-token-'));
  const path = join(folder, 'net.d', 'calico-kubeconfig');
  const lines: string[] = [];
  const log: Logger = createLogger({ component: 'test', level: 'debug', write: line => void lines.push(line) });

  beforeAll(async () => {
    server = await startKubernetes();
    const client = calicoClient(server.config);
    for (const name of ['calico-node', 'calico-cni-plugin']) {
      await client.create(ServiceAccount, {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name, namespace: 'kube-system' },
      });
    }
    for (const name of ['account', 'net.d']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'account', 'ca.crt'), server.ca);
    writeFileSync(join(folder, 'account', 'namespace'), 'kube-system');
    await rotateOwnToken();
  }, BUILD_MS);
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true });
  });

  /** As a kubelet does: another file in place of the one before. */
  async function rotateOwnToken(text?: string): Promise<void> {
    const account = { namespace: 'kube-system', name: 'calico-node' };
    const token = text ?? (await requestServiceAccountToken(server.config, account, { seconds: 3600 })).token;
    writeFileSync(join(folder, 'account', 'token.new'), token);
    renameSync(join(folder, 'account', 'token.new'), join(folder, 'account', 'token'));
  }

  /** Who the server takes the bearer of a token for. */
  async function userOf(token: string): Promise<string | undefined> {
    const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const url = `${server.url}/apis/authentication.k8s.io/v1/selfsubjectreviews`;
    const answer = await fetch(url, { method: 'POST', headers, body, tls: { ca: server.ca } });
    const review = (await answer.json()) as { status?: { userInfo?: { username?: string } } };
    return review.status?.userInfo?.username;
  }

  async function tokenInKubeconfig(): Promise<string> {
    const credential = await readKubeconfigs([path]).credentials?.get();
    return credential?.authorization?.replace('Bearer ', '') ?? '';
  }

  test('requestServiceAccountToken gives a token of that account with the lifetime asked for', async () => {
    const account = { namespace: 'kube-system', name: 'calico-cni-plugin' };
    const { token, lifetimeMs } = await requestServiceAccountToken(server.config, account, { seconds: 600 });
    expect(lifetimeMs).toBe(600_000);
    expect(await userOf(token)).toBe('system:serviceaccount:kube-system:calico-cni-plugin');
    const absent = { namespace: 'kube-system', name: 'absent' };
    expect(requestServiceAccountToken(server.config, absent, { seconds: 600 })).rejects.toThrow(
      'Cannot request a token of ServiceAccount(kube-system/absent)',
    );
  });

  test('the kubeconfig has a token of the plugin’s account, renewed when our own changes, also after it was refused', async () => {
    const { port } = new URL(server.url);
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: port };
    const states: { error: unknown }[] = [];
    const options = {
      folder: join(folder, 'account'),
      path,
      onState: (state: { error: unknown }) => states.push(state),
    };
    const service = cniTokenService(env, log, options);
    if (service === undefined) throw new Error('there is no service');
    await service.start();
    try {
      await until('there is a kubeconfig', () => statSync(path, { throwIfNoEntry: false }) !== undefined);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const first = await tokenInKubeconfig();
      expect(await userOf(first)).toBe('system:serviceaccount:kube-system:calico-cni-plugin');
      // The kubeconfig as a whole is one that the plugin can use.
      const client = calicoClient(readKubeconfigs([path]));
      expect((await client.list(ServiceAccount, { namespace: 'kube-system' })).items).toHaveLength(2);

      await rotateOwnToken('not-a-token');
      await until('the server has refused us', () => states.some(({ error }) => error !== undefined));
      expect(await tokenInKubeconfig()).toBe(first);
      await rotateOwnToken();
      await until('there is another token', async () => (await tokenInKubeconfig()) !== first);
      expect(await userOf(await tokenInKubeconfig())).toBe('system:serviceaccount:kube-system:calico-cni-plugin');
    } finally {
      await service.stop();
    }
    const secrets = [await tokenInKubeconfig(), readFileSync(join(folder, 'account', 'token'), 'utf8')];
    for (const secret of secrets) expect(lines.join('')).not.toContain(secret);
  });

  test('outside of a pod, or without the host’s folder, there is nothing to keep', () => {
    const account = { folder: join(folder, 'account') };
    expect(cniTokenService({}, log, { ...account, path })).toBeUndefined();
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1' };
    expect(cniTokenService(env, log, { ...account, path: join(folder, 'absent', 'x') })).toBeUndefined();
    expect(cniTokenService(env, log, { folder: join(folder, 'absent'), path })).toBeUndefined();
  });
});
