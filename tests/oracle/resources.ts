/**
 * The resources as a user writes them, with only the fields that bear on policy. Everything is optional that a user may
 * leave out.
 */
export interface RawResource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** v1 Pod: spec. */
export interface PodSpec {
  readonly nodeName?: string;
  readonly hostNetwork?: boolean;
  readonly serviceAccountName?: string;
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
}

export interface Container {
  readonly name?: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
}

/** v1 Pod: status. */
export interface PodStatus {
  readonly phase?: string;
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
}

/** metav1.LabelSelector. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

/** networking.k8s.io/v1 NetworkPolicy: spec. */
export interface KubernetesPolicySpec {
  readonly podSelector?: LabelSelector;
  readonly policyTypes?: readonly ('Ingress' | 'Egress')[];
  readonly ingress?: readonly { readonly from?: readonly Peer[]; readonly ports?: readonly KubernetesPort[] }[];
  readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports?: readonly KubernetesPort[] }[];
}

export interface Peer {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
}

export interface KubernetesPort {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
}

/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy: spec. */
export interface ClusterPolicySpec {
  readonly tier: 'Admin' | 'Baseline';
  readonly priority: number;
  readonly subject: ClusterPodSelector;
  readonly ingress?: readonly (ClusterRule & { readonly from: readonly ClusterPeer[] })[];
  readonly egress?: readonly (ClusterRule & { readonly to: readonly ClusterPeer[] })[];
}

export interface ClusterRule {
  readonly action: 'Accept' | 'Deny' | 'Pass';
  readonly protocols?: readonly ClusterPort[];
}

/** One of the two. */
export interface ClusterPodSelector {
  readonly namespaces?: LabelSelector;
  readonly pods?: { readonly namespaceSelector?: LabelSelector; readonly podSelector: LabelSelector };
}

/** One of the three; networks in egress rules only. */
export interface ClusterPeer extends ClusterPodSelector {
  readonly networks?: readonly string[];
}

/** One of the four. */
export interface ClusterPort {
  readonly tcp?: ClusterTransport;
  readonly udp?: ClusterTransport;
  readonly sctp?: ClusterTransport;
  readonly destinationNamedPort?: string;
}

/** One of number and range. */
export interface ClusterTransport {
  readonly destinationPort: {
    readonly number?: number;
    readonly range?: { readonly start: number; readonly end: number };
  };
}

/** projectcalico.org/v3 NetworkPolicy and GlobalNetworkPolicy: spec. */
export interface CalicoPolicySpec {
  readonly tier?: string;
  readonly order?: number;
  readonly selector?: string;
  readonly namespaceSelector?: string;
  readonly serviceAccountSelector?: string;
  readonly types?: readonly ('Ingress' | 'Egress')[];
  readonly ingress?: readonly CalicoRule[];
  readonly egress?: readonly CalicoRule[];
  readonly doNotTrack?: boolean;
  readonly preDNAT?: boolean;
  readonly applyOnForward?: boolean;
}

export interface CalicoRule {
  readonly action: 'Allow' | 'Deny' | 'Pass' | 'Log';
  readonly ipVersion?: 4 | 6;
  readonly protocol?: string | number;
  readonly notProtocol?: string | number;
  readonly icmp?: Icmp;
  readonly notICMP?: Icmp;
  readonly source?: Entity;
  readonly destination?: Entity;
}

export interface Icmp {
  readonly type?: number;
  readonly code?: number;
}

export interface Entity {
  readonly nets?: readonly string[];
  readonly notNets?: readonly string[];
  readonly selector?: string;
  readonly notSelector?: string;
  readonly namespaceSelector?: string;
  readonly serviceAccounts?: { readonly names?: readonly string[]; readonly selector?: string };
  readonly services?: { readonly name: string; readonly namespace?: string };
  readonly ports?: readonly (number | string)[];
  readonly notPorts?: readonly (number | string)[];
}

/** projectcalico.org/v3 Tier: spec. */
export interface TierSpec {
  readonly order?: number;
  readonly defaultAction?: 'Deny' | 'Pass';
}

/** projectcalico.org/v3 FelixConfiguration: the settings that change a packet's fate. */
export interface FelixSpec {
  readonly defaultEndpointToHostAction?: 'Drop' | 'Return' | 'Accept';
  readonly vxlanPort?: number;
  readonly allowVXLANPacketsFromWorkloads?: boolean;
  readonly allowIPIPPacketsFromWorkloads?: boolean;
}

/** discovery.k8s.io/v1 EndpointSlice: the fields beside metadata. */
export interface EndpointSliceBody {
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[];
  readonly ports?: readonly { readonly port?: number; readonly protocol?: string }[];
}
