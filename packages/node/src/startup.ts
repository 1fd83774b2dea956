import { type CalicoNode, ConfigMap, IPPool, parseAsNumber } from '@calico/api';
import { type Client, isAlreadyExists, isForbidden, isNotFound, isTransient, isUnauthorized } from '@calico/datastore';
import type { Addr, Cidr } from '@calico/ip';
import type { Ipam } from '@calico/ipam';
import { withTimeout } from '@calico/process';
import type { Clock, Random } from '@calico/reconcile';
import { readAddressSettings } from './addresses/choose-addresses.ts';
import {
  type AddressDeps,
  type AddressOptions,
  settleAddresses,
  withAddresses,
} from './addresses/configure-addresses.ts';
import { ensureDefaultObjects } from './default-objects.ts';
import { defaultPools, kubeadmPodSubnets } from './default-pools.ts';
import { badVariable } from './node-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What a node is told by its environment, checked. */
export interface StartupSettings {
  readonly nodeName: string;
  /** Undefined where Calico does policy alone (CALICO_NETWORKING_BACKEND=none): then nothing asks for addresses. */
  readonly addresses: AddressOptions | undefined;
  /** AS. */
  readonly asNumber: number | undefined;
  /** CALICO_K8S_NODE_REF: what Kubernetes calls the node. */
  readonly kubernetesNodeName: string | undefined;
  /** CLUSTER_TYPE. */
  readonly clusterType: readonly string[];
  readonly waitForDatastore: boolean;
  /** For the default pools. */
  readonly env: Environment;
}

/** Reads what starting a node depends on. Throws NodeError that names the variable. */
export function readStartupSettings(env: Environment, nodeName: string): StartupSettings {
  const asNumber = env.AS ? parseAsNumber(env.AS) : undefined;
  if (env.AS && asNumber === undefined) {
    throw badVariable('AS', env.AS, '0 to 4294967295, also as 65000.1');
  }
  return {
    nodeName,
    addresses: readAddressOptions(env),
    asNumber,
    kubernetesNodeName: env.CALICO_K8S_NODE_REF || undefined,
    clusterType: (env.CLUSTER_TYPE ?? '').split(',').filter(word => word !== ''),
    waitForDatastore: env.WAIT_FOR_DATASTORE === 'true',
    env,
  };
}

/** How a node's addresses are settled; undefined where it needs none. Throws NodeError that names the variable. */
export function readAddressOptions(env: Environment): AddressOptions | undefined {
  if (env.CALICO_NETWORKING_BACKEND === 'none') return undefined;
  return { settings: readAddressSettings(env), checkConflicts: env.DISABLE_NODE_IP_CHECK !== 'true' };
}

/** What starting a node works with. */
export interface StartupDeps extends AddressDeps {
  readonly client: Client;
  /** Kubernetes' own objects, where there is a Kubernetes; the same client when Calico's are there too. */
  readonly kubernetes: Client | undefined;
  readonly ipam: Pick<Ipam, 'upgradeNode'>;
  hostAddresses(): Addr[];
  hostHasIpv6(): boolean;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the wait for the datastore. */
  readonly signal?: AbortSignal;
}

/** Between two looks whether the datastore is there; ms. */
const DATASTORE_WAIT = 1_000;
/** How long labelling old affinities may take; ms. */
const UPGRADE_LIMIT = 90_000;

/**
 * What has to be in the datastore before a node's programs can work: the node with its addresses, pools and the cluster's
 * default objects, in Calico's order. Idempotent. Rejects with NodeError where the node can't start as it is set up, else
 * with the failure of the datastore.
 */
export async function startNode(settings: StartupSettings, deps: StartupDeps): Promise<void> {
  const { nodeName } = settings;
  const { client, nodes, log, clock } = deps;
  if (settings.waitForDatastore) await datastoreAnswers(deps);
  const [present, cluster] = await Promise.all([
    nodes.get(nodeName).catch(error => {
      if (isNotFound(error) && nodes.createsNodes) return undefined;
      throw error;
    }),
    readCluster(deps),
    withTimeout(deps.ipam.upgradeNode(nodeName), UPGRADE_LIMIT, 'label the affinities of this node', clock),
  ]);
  const chosen =
    settings.addresses === undefined ? undefined : await settleAddresses(nodeName, present, settings.addresses, deps);
  await nodes.change(nodeName, node => {
    const addressed = chosen === undefined ? node : withAddresses(node, chosen);
    return withReference(withAsNumber(addressed, settings), settings);
  });
  await Promise.all([
    createDefaultPools(settings, deps, cluster.podSubnets),
    ensureDefaultObjects(
      client,
      {
        nodeName,
        version: deps.version,
        clusterType: [...settings.clusterType, ...cluster.types],
        datastore: client === deps.kubernetes ? 'kubernetes' : 'etcdv3',
      },
      deps,
    ),
  ]);
  log.info(
    { node: nodeName, ipv4: chosen?.ipv4, ipv6: chosen?.ipv6, version: deps.version },
    'The node is in the datastore',
  );
}

/** Waits until the datastore answers at all, whatever the answer; rejects when it does not know who we are. */
async function datastoreAnswers({ nodes, log, clock, signal }: StartupDeps): Promise<void> {
  for (;;) {
    try {
      await nodes.get('any');
      return;
    } catch (err) {
      if (isUnauthorized(err)) throw err;
      if (!isTransient(err)) return;
      log.info({ err }, 'Waiting for the datastore');
    }
    await clock.sleep(DATASTORE_WAIT, signal);
  }
}

/** What the ConfigMaps of installers say of the cluster. */
async function readCluster({ kubernetes, log }: StartupDeps): Promise<{ podSubnets: Cidr[]; types: string[] }> {
  if (kubernetes === undefined) return { podSubnets: [], types: [] };
  const read = async (name: string): Promise<Record<string, string> | undefined> => {
    try {
      return (await kubernetes.get(ConfigMap, { namespace: 'kube-system', name })).data ?? {};
    } catch (err) {
      if (isNotFound(err)) return undefined;
      if (!isForbidden(err) && !isUnauthorized(err)) throw err;
      log.info({ err }, 'Not allowed to read a ConfigMap of an installer; taken for absent');
      return undefined;
    }
  };
  const [kubeadm, rancher] = await Promise.all([read('kubeadm-config'), read('full-cluster-state')]);
  return {
    podSubnets: kubeadm === undefined ? [] : kubeadmPodSubnets(kubeadm),
    types: [...(kubeadm === undefined ? [] : ['kubeadm']), ...(rancher === undefined ? [] : ['rancher'])],
  };
}

function withAsNumber(node: CalicoNode, { addresses, asNumber }: StartupSettings): CalicoNode {
  if (addresses === undefined || asNumber === undefined) return node;
  return { ...node, spec: { ...node.spec, bgp: { ...node.spec.bgp, asNumber } } };
}

function withReference(node: CalicoNode, { kubernetesNodeName }: StartupSettings): CalicoNode {
  if (kubernetesNodeName === undefined) return node;
  return { ...node, spec: { ...node.spec, orchRefs: [{ nodeName: kubernetesNodeName, orchestrator: 'k8s' }] } };
}

async function createDefaultPools(settings: StartupSettings, deps: StartupDeps, podSubnets: Cidr[]): Promise<void> {
  const { client, log, random } = deps;
  const pools = defaultPools(settings.env, {
    podSubnets,
    hostAddresses: deps.hostAddresses(),
    present: (await client.list(IPPool)).items,
    ipv6: deps.hostHasIpv6(),
    random,
  });
  for (const pool of pools) {
    const { cidr, ipipMode, vxlanMode } = pool.spec;
    try {
      await client.create(IPPool, pool);
      log.info({ pool: pool.metadata.name, cidr, ipipMode, vxlanMode }, 'Created a default pool');
    } catch (error) {
      // Another node was first.
      if (!isAlreadyExists(error)) throw error;
    }
  }
}
