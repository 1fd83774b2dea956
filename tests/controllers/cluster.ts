import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterInformation, IPPool, Node, Pod } from '@calico/api';
import { createCertificates, printKubeconfig, startApiServer } from '@calico/apiserver';
import { type Client, isNotFound } from '@calico/datastore';
import { etcdClient } from '@calico/datastore/etcd';
import { calicoClient, tokenCredentials } from '@calico/datastore/kubernetes';
import { printAddr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { systemClock, systemRandom } from '@calico/process';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { crdFolder, createCrds, readCrds } from '../kubernetes/crds.ts';
import { startKubernetes } from '../kubernetes/server.ts';

/** A cluster of real servers that kube-controllers looks after. */
export interface Cluster {
  /** Where the programs find it. */
  readonly env: Readonly<Record<string, string>>;
  readonly calico: Client;
  readonly kubernetes: Client;
  readonly ipam: Ipam;
  /** A folder that goes with it. */
  readonly folder: string;
  stop(): Promise<void>;
}

interface Server {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  stop(): Promise<void>;
}

async function startEmbedded(): Promise<Server> {
  const certificates = createCertificates({ hosts: ['127.0.0.1'], now: systemClock.wallTime() });
  const silent = () => {};
  const token = crypto.randomUUID();
  const server = await startApiServer({
    storePath: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
    tls: certificates,
    tokens: [{ token, user: 'tests' }],
    clock: systemClock,
    log: { info: silent, warn: silent, error: silent },
  });
  return { url: server.urls[0] ?? '', ca: certificates.ca, token, stop: () => server.stop() };
}

/** A cluster whose only server is the embedded one. */
export function embeddedCluster(): Promise<Cluster> {
  return onServer(startEmbedded);
}

/** A cluster on a real kube-apiserver, with our CRDs. */
export function kubernetesCluster(): Promise<Cluster> {
  return onServer(async () => {
    const server = await startKubernetes();
    await createCrds(server, readCrds(crdFolder() ?? '', 'projectcalico.org'));
    return server;
  });
}

/** Calico's kinds in a real etcd, Kubernetes' on the embedded server. */
export async function etcdCluster(): Promise<Cluster> {
  const etcd = await EtcdServer.start();
  const client = etcdClient({ endpoints: [etcd.url] });
  const cluster = await onServer(startEmbedded, client);
  return {
    ...cluster,
    env: { ...cluster.env, DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: etcd.url },
    stop: async () => {
      client.close();
      await cluster.stop();
      await etcd.stop();
    },
  };
}

async function onServer(start: () => Promise<Server>, etcd?: Client): Promise<Cluster> {
  const server = await start();
  const { url, ca, token } = server;
  const folder = mkdtempSync(join(tmpdir(), 'calico-controllers-'));
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, printKubeconfig({ server: url, ca, token }), { mode: 0o600 });
  const kubernetes = calicoClient({ server: url, ca, credentials: tokenCredentials(token) });
  const calico = etcd ?? kubernetes;
  await makeCalico(calico);
  return {
    env: { KUBECONFIG: kubeconfig, DATASTORE_TYPE: 'kubernetes', PATH: process.env.PATH ?? '', HOME: folder },
    calico,
    kubernetes,
    ipam: new Ipam({ client: calico, clock: systemClock, random: systemRandom }),
    folder,
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a first node makes when it starts. */
async function makeCalico(client: Client): Promise<void> {
  const apiVersion = 'projectcalico.org/v3';
  const spec = { datastoreReady: true };
  try {
    await client.patch(ClusterInformation, { name: 'default' }, { spec }, { type: 'merge' });
  } catch (err) {
    if (!isNotFound(err)) throw err;
    await client.create(ClusterInformation, {
      apiVersion,
      kind: 'ClusterInformation',
      metadata: { name: 'default' },
      spec,
    });
  }
  await client.create(IPPool, {
    apiVersion,
    kind: 'IPPool',
    metadata: { name: 'pool' },
    spec: { cidr: '10.65.0.0/16', blockSize: 28 },
  });
}

/** A node of Kubernetes. */
export async function addNode({ kubernetes }: Cluster, name: string): Promise<void> {
  await kubernetes.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} });
}

/** A pod with an address of the node's, as CNI ADD leaves it. */
export async function addPod({ kubernetes, ipam }: Cluster, node: string, name: string): Promise<string> {
  const namespace = 'default';
  await kubernetes.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { nodeName: node, containers: [{ name: 'main', image: 'none' }] },
  });
  const { ipv4 } = await ipam.autoAssign({
    node,
    nodeLabels: {},
    handle: `k8s-pod-network.${name}`,
    attributes: { namespace, node, pod: name },
    ipv4: 1,
    ipv6: 0,
    intendedUse: 'Workload',
  });
  const [ip = ''] = ipv4.map(({ addr }) => printAddr(addr));
  const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }] };
  await kubernetes.patch(Pod, { namespace, name }, { status }, { type: 'merge', subresource: 'status' });
  return ip;
}

/** Takes a pod away as when its node never got to CNI DEL. */
export async function losePod({ kubernetes }: Cluster, name: string): Promise<void> {
  await kubernetes.delete(Pod, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
}

/** The addresses in use. */
export async function inUse({ ipam }: Cluster): Promise<number> {
  return (await ipam.usage()).pools.reduce((sum, { allocated }) => sum + allocated, 0);
}
