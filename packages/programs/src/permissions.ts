/** What a program may do: a rule of a Role or ClusterRole of Kubernetes. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** The permissions of one service account. */
export interface Permissions {
  /** Everywhere: the rules of a ClusterRole. */
  readonly cluster: readonly PolicyRule[];
  /** In one namespace: the rules of a Role there. */
  readonly namespaced: Readonly<Record<string, readonly PolicyRule[]>>;
}

/** The programs that ask an API server with an account of their own. */
export type Account = 'calico-node' | 'calico-cni-plugin' | 'calico-kube-controllers';

const READ = ['get', 'list', 'watch'];
/** Either group may be the one that the cluster has. */
const CALICO = ['projectcalico.org', 'crd.projectcalico.org'];

const rule = (apiGroups: string | readonly string[], resources: string, verbs: readonly string[]): PolicyRule => ({
  apiGroups: typeof apiGroups === 'string' ? [apiGroups] : apiGroups,
  resources: resources.split(' '),
  verbs,
});

/** Handles, blocks and affinities are made, changed and deleted by whoever gives addresses out. */
const ipamRules: readonly PolicyRule[] = [
  rule(CALICO, 'blockaffinities ipamblocks ipamhandles', ['get', 'list', 'create', 'update', 'delete']),
  rule(CALICO, 'ipamconfigurations ippools ipreservations clusterinformations', ['get', 'list']),
];

/** What a call of the CNI plugin reads and writes. */
const cniRules: readonly PolicyRule[] = [
  ...ipamRules,
  rule('', 'namespaces pods', ['get']),
  rule('', 'pods/status', ['patch']),
];

/** Where each node notes that its agent lives. */
const HEARTBEATS = 'kube-system';

/**
 * What each program needs on a Kubernetes API server, and no more. Here alone: manifests are made of it, and a test on a real
 * server compares it with what the programs ask for.
 */
export const permissions: Readonly<Record<Account, Permissions>> = {
  'calico-node': {
    cluster: [
      ...cniRules,
      rule('', 'namespaces nodes pods serviceaccounts services', READ),
      rule('discovery.k8s.io', 'endpointslices', READ),
      rule('networking.k8s.io', 'networkpolicies', READ),
      rule('policy.networking.k8s.io', 'clusternetworkpolicies', READ),
      rule(
        CALICO,
        'bgpconfigurations bgpfilters bgppeers caliconodestatuses clusterinformations felixconfigurations globalnetworkpolicies globalnetworksets hostendpoints networkpolicies networksets stagedglobalnetworkpolicies stagedkubernetesnetworkpolicies stagednetworkpolicies tiers',
        READ,
      ),
      rule(CALICO, 'blockaffinities ipamblocks ipamconfigurations ippools ipreservations', ['watch']),
      // The first node of a cluster makes what every cluster has.
      rule(CALICO, 'bgpconfigurations clusterinformations felixconfigurations ippools tiers', ['create']),
      rule(CALICO, 'bgpconfigurations clusterinformations felixconfigurations', ['update']),
      rule(CALICO, 'ipamconfigurations', ['create', 'update']),
      rule(CALICO, 'caliconodestatuses/status', ['update']),
      // Its addresses are annotations of its node, and whether its network works is a condition.
      rule('', 'nodes nodes/status', ['patch']),
    ],
    namespaced: {
      [HEARTBEATS]: [
        rule('coordination.k8s.io', 'leases', ['create', 'patch']),
        // How pods get their addresses where Calico does not give them out; what kubeadm was told.
        { ...rule('', 'configmaps', ['get']), resourceNames: ['kubeadm-config', 'full-cluster-state'] },
        // The plugin's own token, which the agent keeps fresh.
        { ...rule('', 'serviceaccounts/token', ['create']), resourceNames: ['calico-cni-plugin'] },
      ],
    },
  },
  'calico-cni-plugin': { cluster: cniRules, namespaced: {} },
  'calico-kube-controllers': {
    cluster: [
      ...ipamRules,
      rule('', 'nodes pods services', READ),
      rule('', 'namespaces', ['get']),
      rule('', 'nodes/status services/status', ['patch']),
      rule(
        CALICO,
        'blockaffinities clusterinformations ipamblocks ipamconfigurations ippools ipreservations globalnetworkpolicies networkpolicies stagedglobalnetworkpolicies stagednetworkpolicies',
        READ,
      ),
      rule(CALICO, 'hostendpoints kubecontrollersconfigurations', [...READ, 'create', 'update']),
      rule(CALICO, 'hostendpoints', ['delete']),
      // Finalizers, and conditions.
      rule(CALICO, 'ippools tiers', [...READ, 'update']),
      rule(CALICO, 'ippools/status kubecontrollersconfigurations/status tiers/status', ['update']),
    ],
    namespaced: {
      [HEARTBEATS]: [rule('coordination.k8s.io', 'leases', [...READ, 'create', 'update', 'delete'])],
    },
  },
};
