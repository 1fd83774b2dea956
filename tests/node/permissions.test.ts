import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostEndpoint, IPPool, Node, Pod, Secret, Service, Tier } from '@calico/api';
import { printKubeconfig } from '@calico/apiserver';
import type { Client } from '@calico/datastore';
import { calicoClient, loadKubeconfig } from '@calico/datastore/kubernetes';
import { Ipam } from '@calico/ipam';
import { createNamespace, deleteNamespace, fillThreadPool, inNamespace } from '@calico/kernel/linux';
import { systemClock, systemRandom } from '@calico/process';
import { type Account, permissions } from '../../packages/programs/src/permissions.ts';
import { createCrds, OUR_CRDS, readCrds } from '../kubernetes/crds.ts';
import { freePort } from '../kubernetes/free-port.ts';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from '../kubernetes/server.ts';
import { NodeHost, until } from './node-host.ts';

const MAIN = join(import.meta.dir, '../../packages/programs/src/main.ts');
const NAMESPACE = 'kube-system';
const missing = missingForKubernetes();

describe.skipIf(missing !== undefined)(`permissions${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let server: KubernetesServer;
  let client: Client;
  let host: NodeHost;
  const children: Bun.Subprocess[] = [];
  beforeAll(async () => {
    await fillThreadPool();
    server = await startKubernetes({ rbac: true });
    await createCrds(server, readCrds(OUR_CRDS, 'projectcalico.org'));
    client = calicoClient(server.config);
    for (const account of Object.keys(permissions) as Account[]) await makeAccount(account);
    await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec: {} });
    host = new NodeHost();
    host.forward(server.port);
    host.addInterface('eth0', 1400, '192.0.2.11/24');
  }, BUILD_MS);
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map(child => child.exited));
    host?.close();
    await server?.stop();
  });

  async function must(method: string, path: string, body: object): Promise<unknown> {
    const answer = await server.request(method, path, body);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return await answer.json();
  }

  /** An account with what is written down for it, and a kubeconfig with its token. */
  async function makeAccount(name: Account): Promise<void> {
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const subjects = [{ kind: 'ServiceAccount', name, namespace: NAMESPACE }];
    const metadata = { name };
    const accounts = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`;
    await must('POST', accounts, { metadata });
    const { cluster, namespaced } = permissions[name];
    await must('POST', `${rbac}/clusterroles`, { metadata, rules: cluster });
    const roleRef = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name });
    await must('POST', `${rbac}/clusterrolebindings`, { metadata, subjects, roleRef: roleRef('ClusterRole') });
    for (const [namespace, rules] of Object.entries(namespaced)) {
      await must('POST', `${rbac}/namespaces/${namespace}/roles`, { metadata, rules });
      await must('POST', `${rbac}/namespaces/${namespace}/rolebindings`, {
        metadata,
        subjects,
        roleRef: roleRef('Role'),
      });
    }
    const { status } = (await must('POST', `${accounts}/${name}/token`, { spec: { expirationSeconds: 3600 } })) as {
      status: { token: string };
    };
    const { url, ca } = server;
    writeFileSync(kubeconfig(name), printKubeconfig({ server: url, ca, token: status.token }), { mode: 0o600 });
  }
  const kubeconfig = (name: Account) => join(server.folder, `${name}.kubeconfig`);
  const envOf = (name: Account) => ({
    DATASTORE_TYPE: 'kubernetes',
    KUBECONFIG: kubeconfig(name),
    HOME: server.folder,
  });

  /** What an account asked for and was refused, each once. */
  function refusedTo(name: Account): string[] {
    const lines = readFileSync(join(server.folder, 'audit.log'), 'utf8').trim().split('\n');
    const refused = lines.flatMap((line): string[] => {
      const { user, verb, requestURI, responseStatus } = JSON.parse(line);
      const own = user.username === `system:serviceaccount:${NAMESPACE}:${name}`;
      return own && responseStatus?.code === 403 ? [`${verb} ${requestURI}`] : [];
    });
    return [...new Set(refused)].sort();
  }

  async function plugin(command: string, pod: string, netns: string, config: object): Promise<unknown> {
    const child = inNamespace(host.namespace, () =>
      Bun.spawn([process.execPath, MAIN], {
        argv0: 'calico',
        stdin: Buffer.from(JSON.stringify({ cniVersion: '1.0.0', name: 'k8s-pod-network', type: 'calico', ...config })),
        stdout: 'pipe',
        stderr: 'pipe',
        env: {
          PATH: process.env.PATH,
          CALICO_RUN_DIR: join(host.folder, 'run'),
          CALICO_LIB_DIR: join(host.folder, 'lib'),
          CNI_COMMAND: command,
          CNI_CONTAINERID: `${pod}0123456789abcdef`,
          CNI_NETNS: netns,
          CNI_IFNAME: 'eth0',
          CNI_PATH: '/opt/cni/bin',
          CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod};K8S_POD_INFRA_CONTAINER_ID=${pod}`,
        },
      }),
    );
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(`${command}: ${out}${err}`);
    return out;
  }

  /** ADD, CHECK, DEL of a pod. */
  async function live(pod: string, config: object): Promise<void> {
    await client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod, namespace: 'default' },
      spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'none' }] },
    });
    const netns = `/run/netns/permissions-${process.pid}-${pod}`;
    createNamespace(netns).close();
    try {
      const text = await plugin('ADD', pod, netns, config);
      await plugin('CHECK', pod, netns, { ...config, prevResult: JSON.parse(String(text)) });
      await plugin('DEL', pod, netns, config);
    } finally {
      deleteNamespace(netns);
    }
  }

  /** What an account was refused is told with what did not come. */
  async function telling(name: Account, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (err) {
      throw new Error(`${err}\n${name} was refused: ${refusedTo(name).join(', ')}`);
    }
  }

  test('a node agent gives pods their network with those written down for it', async () => {
    children.push(
      host.start(['component', 'node'], {
        ...envOf('calico-node'),
        NODENAME: 'node-1',
        IP: 'autodetect',
        CALICO_NETWORKING_BACKEND: 'vxlan',
        CALICO_IPV4POOL_VXLAN: 'Always',
        FELIX_HEALTHENABLED: 'true',
      }),
    );
    await telling('calico-node', async () => {
      await until('it is ready', async () => {
        return (await host.get(9099, '/readiness').catch(() => undefined))?.status === 200;
      });
      await live('by-agent', { ipam: { type: 'calico-ipam' } });
    });
    expect(refusedTo('calico-node')).toEqual([]);
  }, 60_000);

  test('the plugin alone does with its own', async () => {
    await telling('calico-cni-plugin', () =>
      live('alone', {
        agent: 'none',
        datastore_type: 'kubernetes',
        policy: { type: 'k8s' },
        kubernetes: { kubeconfig: kubeconfig('calico-cni-plugin') },
        ipam: { type: 'calico-ipam' },
      }),
    );
    expect(refusedTo('calico-cni-plugin')).toEqual([]);
  }, 60_000);

  test('kube-controllers looks after the cluster with its own', async () => {
    const ipam = new Ipam({ client, clock: systemClock, random: systemRandom });
    await ipam.autoAssign({
      node: 'gone',
      nodeLabels: {},
      handle: 'net.leaked',
      attributes: { node: 'gone', namespace: 'default', pod: 'leaked' },
      ipv4: 1,
      ipv6: 0,
      intendedUse: 'Workload',
    });
    const pool = { cidr: '192.0.2.128/26', allowedUses: ['LoadBalancer'], assignmentMode: 'Automatic' };
    await client.create(IPPool, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'IPPool',
      metadata: { name: 'balanced' },
      spec: pool as IPPool['spec'],
    });
    await must('POST', '/api/v1/namespaces/default/services', {
      metadata: { name: 'web' },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    });
    const statusFile = join(server.folder, 'status.json');
    const port = String(await freePort());
    children.push(
      Bun.spawn(
        [process.execPath, MAIN, 'component', 'kube-controllers', '--status-file', statusFile, '--health-port', port],
        {
          env: { PATH: process.env.PATH, ...envOf('calico-kube-controllers'), AUTO_HOST_ENDPOINTS: 'enabled' },
          stdio: ['ignore', 'ignore', 'ignore'],
        },
      ),
    );
    await telling('calico-kube-controllers', () =>
      until('it has done its work', async () => {
        const leaked = await ipam.addressesByHandle('net.leaked').catch(() => []);
        const { items } = await client.list(HostEndpoint);
        const { status } = await client.get(Service, { namespace: 'default', name: 'web' });
        const { status: judged } = await client.get(IPPool, { name: 'balanced' });
        return (
          leaked.length === 0 &&
          items.length > 0 &&
          (status?.loadBalancer?.ingress ?? []).length > 0 &&
          judged?.conditions !== undefined
        );
      }),
    );
    // A tier that goes gives its finalizer back.
    await client.create(Tier, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'Tier',
      metadata: { name: 'night' },
      spec: {},
    });
    const night = async () => (await client.list(Tier)).items.find(({ metadata }) => metadata.name === 'night');
    await until('the tier is guarded', async () => (await night())?.metadata.finalizers !== undefined);
    await client.delete(Tier, { name: 'night' });
    await until('the tier is gone', async () => (await night()) === undefined);
    expect(refusedTo('calico-kube-controllers')).toEqual([]);
  }, 60_000);

  test('nobody may do what is not written down', async () => {
    for (const account of Object.keys(permissions) as Account[]) {
      const own = calicoClient(await loadKubeconfig({ env: { KUBECONFIG: kubeconfig(account) } }));
      const tries: Promise<unknown>[] = [
        own.delete(Pod, { namespace: 'default', name: 'alone' }),
        own.delete(IPPool, { name: 'balanced' }),
        own.list(Secret),
      ];
      for (const each of await Promise.allSettled(tries)) {
        expect({ account, each }).toMatchObject({ each: { status: 'rejected', reason: { code: 'Forbidden' } } });
      }
    }
  });
});
