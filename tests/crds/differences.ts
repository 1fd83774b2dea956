/** Where our CustomResourceDefinitions differ from the reference on purpose. */
export interface Difference {
  /** The kinds; all if left out. */
  readonly kinds?: readonly string[];
  /** The group; all if left out. */
  readonly group?: string;
  /** The places and facts. */
  readonly facts: RegExp;
  readonly reason: string;
}

const IPAM = ['BlockAffinity', 'IPAMBlock', 'IPAMHandle'];

export const DIFFERENCES: readonly Difference[] = [
  {
    facts: /(asNumber|localASNumber|asPathPrefix\[\]|prependASPath\.prefix\[\]) (format|minimum|maximum)$/,
    reason: 'AS numbers have 32 bits without sign (RFC 6793); an API server takes the format int32 for signed ones',
  },
  {
    facts: /(Interval|Timeout|Period|Time|TTL|Delay|After|KeepAlive|\.timeout) pattern$/,
    reason:
      'every span of time is what Go parses: the pattern of the reference refuses fractions for a doubled backslash and takes the empty text, and one object that Go cannot parse breaks every list',
  },
  {
    kinds: ['FelixConfiguration'],
    facts: /^spec\.iptablesBackend pattern$/,
    reason: 'its enum says more',
  },
  {
    facts: /\.services\.name required$/,
    reason: 'a rule in CEL asks for the name in the reference too',
  },
  {
    kinds: ['StagedKubernetesNetworkPolicy', 'ClusterNetworkPolicy'],
    facts: /(operator|protocol|policyTypes\[\]) (enum|default)$|endPort (minimum|maximum)$/,
    reason: 'Kubernetes refuses the same in a NetworkPolicy, and fills in the same',
  },
  {
    kinds: ['BGPPeer'],
    facts: /^spec\.ttlSecurity (minimum|maximum)$/,
    reason: 'one byte in Go: more breaks every list',
  },
  {
    kinds: ['BGPPeer', 'BGPConfiguration'],
    facts: /secretKeyRef\.key minLength$/,
    reason: 'a Secret has no key without name',
  },
  {
    kinds: ['HostEndpoint'],
    facts: /^spec\.ports\[\]\.name minLength$/,
    reason: "Calico's own validation asks for a name",
  },
  {
    kinds: IPAM,
    facts: / minLength$| minimum$|^spec\.(type|strictAffinity) (enum|default)$/,
    reason: 'written by the system alone; an object that says otherwise would be misread as free addresses',
  },
  {
    kinds: ['IPAMBlock'],
    facts: /^spec\.(affinity|affinityClaimTime|attributes\[\]\.\w+) nullable$/,
    reason: 'blocks written with explicit nulls mean the same as those without the field',
  },
  {
    kinds: ['BlockAffinity'],
    group: 'projectcalico.org',
    facts: /^spec\.deleted required$/,
    reason: 'it has a default, so it is always there',
  },
];
