import {
  anyCase,
  cel,
  flag,
  formatted,
  integer,
  intOrString,
  list,
  mapOf,
  matching,
  object,
  oneOf,
  text,
} from '../../schema/build.ts';
import { always } from './cel.ts';
import { duration, LOG_LEVELS } from './values.ts';

const yes = (description: string) => flag({ description });
const number = (description: string, keywords = {}) => integer({ ...keywords, description });
const port = number;
const words = (description: string) => text({ description });
const onOff = (description: string) => oneOf(['Enabled', 'Disabled'], { description });
const address = (description: string) => text({ maxLength: 45, description });
const mark = (description: string) => integer({ format: 'int64', minimum: 0, maximum: 0xffffffff, description });
const failsafe = (description: string) =>
  list(object({ port: integer() }, { protocol: formatted('transport-protocol'), net: formatted('cidr') }), {
    description,
  });

/** What the agent does in general: its name, its logs, its health, its numbers. */
export const generalFields = () => ({
  useInternalDataplaneDriver: yes('Whether the built-in driver programs the kernel.'),
  dataplaneDriver: words('The external driver, when the built-in one is off.'),
  dataplaneWatchdogTimeout: duration('Old name of a health timeout; 90s.'),
  ipv6Support: yes('Whether IPv6 is handled; true.'),
  interfacePrefix: words('What names of workload interfaces start with, by commas; cali.'),
  interfaceExclude: words('Interfaces that are left out: names or /patterns/, by commas; kube-ipvs0.'),
  interfaceRefreshInterval: duration('How often interfaces are read anew; 90s.'),
  requireMTUFile: yes('Whether the agent waits for the file with the MTU.'),
  mtuIfacePattern: words('A pattern of interfaces whose MTU counts.'),
  policySyncPathPrefix: words('Where sockets for policy synchronisation are made; none if empty.'),
  awsSrcDstCheck: oneOf(['DoNothing', 'Enable', 'Disable'], {
    description: 'What is done to the source check of an AWS interface.',
  }),
  goGCThreshold: number('Go runtime only; 40.'),
  goMemoryLimitMB: number('Go runtime only; -1.'),
  goMaxProcs: number('Go runtime only; -1.'),
  featureDetectOverride: matching(
    '^([a-zA-Z0-9-_]+=(true|false|),)*([a-zA-Z0-9-_]+=(true|false|))?$',
    '"name=true,name=false,…"',
    {
      description: 'Kernel features taken as there or not.',
    },
  ),
  featureGates: matching('^([a-zA-Z0-9-_]+=([^=]+),)*([a-zA-Z0-9-_]+=([^=]+))?$', '"name=value,name=value,…"', {
    description: 'Features that are tried.',
  }),
  usageReportingEnabled: yes('Whether usage is reported to the makers.'),
  usageReportingInitialDelay: duration('Time to the first report; 300s.'),
  usageReportingInterval: duration('Time between reports; 86400s.'),
  openstackRegion: words('The OpenStack region of the node.'),
  metadataAddr: words('Address of the OpenStack metadata service; 127.0.0.1.'),
  metadataPort: port('Port of the OpenStack metadata service; 8775.'),
  windowsManageFirewallRules: onOff('Whether the Windows firewall is opened for pods.'),
  cgroupV2Path: words('Where cgroup v2 is mounted.'),
  nodeSelector: formatted('selector', { maxLength: 1024, description: 'The nodes that this configuration is for.' }),
  logFilePath: words('A log file beside standard output; none if not given, or "none".'),
  logSeverityFile: anyCase(LOG_LEVELS, { description: 'What goes to the log file; Info.' }),
  logSeverityScreen: anyCase(LOG_LEVELS, { description: 'What goes to standard output; Info.' }),
  logSeveritySys: anyCase(LOG_LEVELS, { description: 'What goes to syslog; Info.' }),
  logDebugFilenameRegex: words('Debug lines are logged only from files that match.'),
  logPrefix: matching('^([a-zA-Z0-9%: /_-])*$', 'letters, digits, "%", ":", " ", "/", "_", "-"', {
    description: 'What lines of Log rules start with; calico-packet.',
  }),
  logActionRateLimit: matching('^[1-9]\\d{0,3}/(?:second|minute|hour|day)$', 'a rate such as "10/minute"', {
    description: 'The most lines of Log rules.',
  }),
  logActionRateLimitBurst: number('Lines that may come at once; 5.', { minimum: 0, maximum: 9999 }),
  debugHost: words('Where the profiler listens; localhost.'),
  debugPort: port('The port of the profiler; 0 is off.'),
  debugMemoryProfilePath: words('Where memory profiles go.'),
  debugDisableLogDropping: yes('Whether logging waits rather than drops.'),
  debugSimulateCalcGraphHangAfter: duration('Test of the watchdog.'),
  debugSimulateDataplaneHangAfter: duration('Test of the watchdog.'),
  debugSimulateDataplaneApplyDelay: duration('Test of slowness.'),
  healthEnabled: yes('Whether health is served.'),
  healthHost: words('Where health is served; localhost.'),
  healthPort: port('The port of health; 9099.'),
  healthTimeoutOverrides: list(object({ name: text(), timeout: duration('When it counts as hung.') }), {
    description: 'Timeouts of single parts.',
  }),
  prometheusMetricsEnabled: yes('Whether metrics are served.'),
  prometheusMetricsHost: words('Where metrics are served; all addresses if empty.'),
  prometheusMetricsPort: port('The port of metrics; 9091.'),
  prometheusGoMetricsEnabled: yes('Whether metrics of the runtime are among them.'),
  prometheusProcessMetricsEnabled: yes('Whether metrics of the process are among them.'),
  prometheusWireGuardMetricsEnabled: yes('Whether metrics of WireGuard are among them.'),
  prometheusMetricsCAFile: words('TLS of metrics: the authority of clients.'),
  prometheusMetricsCertFile: words('TLS of metrics: the certificate.'),
  prometheusMetricsKeyFile: words('TLS of metrics: the key.'),
  prometheusMetricsClientAuth: oneOf(
    ['RequireAndVerifyClientCert', 'RequireAnyClientCert', 'VerifyClientCertIfGiven', 'NoClientCert'],
    {
      description: 'TLS of metrics: what clients must show.',
    },
  ),
  reportingInterval: duration('How often status is written; 30s, 0 is off.'),
  reportingTTL: duration('How long a written status is good; 90s.'),
  endpointReportingEnabled: yes('Whether the status of endpoints is written to etcd.'),
  endpointReportingDelay: duration('How long such reports wait; 1s.'),
  endpointStatusPathPrefix: words('Where files with the status of endpoints go; /var/run/calico.'),
  flowLogsFlushInterval: duration('How often flow logs are sent; 300s.'),
  flowLogsGoldmaneServer: words('Where flow logs are sent.'),
  flowLogsLocalReporter: oneOf(['Disabled', 'Enabled'], {
    description: 'Whether flow logs are served on a local socket.',
  }),
  flowLogsPolicyEvaluationMode: oneOf(['None', 'Continuous'], {
    description: 'Whether open flows are judged anew as policies change.',
  }),
  flowLogsCollectorDebugTrace: yes('Whether the collector logs every flow.'),
});

/** How rules stand in the kernel. */
export const tableFields = () => ({
  nftablesMode: oneOf(['Disabled', 'Enabled', 'Auto'], { default: 'Auto', description: 'Whether rules are nftables.' }),
  nftablesFlowTableOffload: oneOf(['All', 'Disabled'], {
    default: 'Disabled',
    description: 'Which flows take the fast path of flow tables.',
  }),
  nftablesFlowTableDataIfacePattern: words('A pattern of interfaces in the flow table.'),
  nftablesRefreshInterval: duration('How often rules are read anew; 180s.'),
  nftablesFilterAllowAction: anyCase(['Accept', 'Return'], {
    description: 'What allowed packets do in filter chains.',
  }),
  nftablesMangleAllowAction: anyCase(['Accept', 'Return'], {
    description: 'What allowed packets do in mangle chains.',
  }),
  nftablesFilterDenyAction: anyCase(['Drop', 'Reject'], { description: 'What denied packets get.' }),
  nftablesMarkMask: mark('Bits of the packet mark that are ours; 0xffff0000.'),
  iptablesBackend: oneOf(['Legacy', 'NFT', 'Auto'], { description: 'Which iptables.' }),
  iptablesRefreshInterval: duration('How often rules are read anew; 180s.'),
  iptablesPostWriteCheckInterval: duration('When rules are read again after a write; 5s.'),
  iptablesLockProbeInterval: duration('How often the lock of iptables is tried; 50ms.'),
  iptablesFilterAllowAction: anyCase(['Accept', 'Return'], {
    description: 'What allowed packets do in filter chains.',
  }),
  iptablesMangleAllowAction: anyCase(['Accept', 'Return'], {
    description: 'What allowed packets do in mangle chains.',
  }),
  iptablesFilterDenyAction: anyCase(['Drop', 'Reject'], { description: 'What denied packets get.' }),
  iptablesMarkMask: mark('Bits of the packet mark that are ours; 0xffff0000.'),
  iptablesNATOutgoingInterfaceFilter: words('Only interfaces with this name get outgoing NAT.'),
  ipsetsRefreshInterval: duration('How often sets are read anew; 90s.'),
  maxIpsetSize: number('The most members of a set; 1048576.'),
  chainInsertMode: anyCase(['Insert', 'Append'], { description: 'Whether our rules come before those of others.' }),
  defaultEndpointToHostAction: anyCase(['Drop', 'Accept', 'Return'], {
    description: 'What happens to packets from pods to their node.',
  }),
  disableConntrackInvalidCheck: yes('Whether packets that fit no connection pass.'),
  failsafeInboundHostPorts: failsafe('Ports of the node that stay open for others, whatever policies say.'),
  failsafeOutboundHostPorts: failsafe('Ports of others that stay open for the node, whatever policies say.'),
  allowVXLANPacketsFromWorkloads: yes('Whether pods may send VXLAN.'),
  allowIPIPPacketsFromWorkloads: yes('Whether pods may send IP in IP.'),
  workloadSourceSpoofing: anyCase(['Disabled', 'Any'], {
    description: 'Whether pods may ask for source addresses not their own.',
  }),
  serviceLoopPrevention: anyCase(['Drop', 'Reject', 'Disabled'], {
    description: 'What happens to packets for services that are nowhere.',
  }),
  kubeNodePortRanges: list(intOrString({ 'x-calico-format': 'port-range' }), {
    maxItems: 7,
    description: 'Ports of services on nodes; 30000:32767.',
  }),
  natPortRange: intOrString({ 'x-calico-format': 'port-range', description: 'Source ports of outgoing NAT.' }),
  natOutgoingAddress: address('Source address of outgoing NAT; that of the interface if not given.'),
  natOutgoingExclusions: oneOf(['IPPoolsOnly', 'IPPoolsAndHostIPs'], {
    description: 'Destinations without outgoing NAT.',
  }),
  floatingIPs: onOff('Whether floating addresses are programmed.'),
  xdpEnabled: yes('Whether XDP helps untracked denials; true.'),
  genericXDPEnabled: yes('Whether XDP without driver support is used.'),
  xdpRefreshInterval: duration('How often XDP is read anew; 90s.'),
  sidecarAccelerationEnabled: yes('Whether traffic to sidecars is short-cut.'),
});

/** Routes, tunnels and what is encrypted. */
export const routingFields = () => ({
  routeRefreshInterval: duration('How often routes are read anew; 90s.'),
  netlinkTimeout: duration('How long an answer of the kernel may take; 10s.'),
  deviceRouteSourceAddress: address('Source address in IPv4 routes to pods.'),
  deviceRouteSourceAddressIPv6: address('Source address in IPv6 routes to pods.'),
  deviceRouteProtocol: number('Protocol number of our routes; 3.'),
  removeExternalRoutes: yes('Whether routes of others to our interfaces are removed; true.'),
  programClusterRoutes: oneOf(['Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'], {
    description: 'Which routes to pods of other nodes Felix programs; EnabledIPIPOnly.',
  }),
  ipForwarding: onOff('Whether forwarding is switched on.'),
  routeSource: anyCase(['WorkloadIPs', 'CalicoIPAM'], { description: 'What routes are made of; CalicoIPAM.' }),
  routeTableRange: object(
    { min: integer(), max: integer() },
    {},
    {
      description: 'Old name of routeTableRanges.',
      ...cel(always('self.min >= 1 && self.min <= self.max && self.max <= 250', 'must be a range within 1 to 250')),
    },
  ),
  routeTableRanges: list(
    object(
      { min: integer(), max: integer() },
      {},
      cel(always('self.min >= 1 && self.min <= self.max', 'must be a range from 1 or above')),
    ),
    {
      description: 'Routing tables that are ours; 1-250.',
    },
  ),
  routeSyncDisabled: yes('Whether routes are left alone.'),
  ipv4NormalRoutePriority: number('Metric of IPv4 routes; 1024.'),
  ipv6NormalRoutePriority: number('Metric of IPv6 routes; 1024.'),
  ipv4ElevatedRoutePriority: number('Metric of IPv4 routes that must win; 512.'),
  ipv6ElevatedRoutePriority: number('Metric of IPv6 routes that must win; 512.'),
  liveMigrationRouteConvergenceTime: duration('How long routes may take after a live migration; 30s.'),
  externalNodesList: list(formatted('cidr'), {
    description: 'Nodes outside the cluster that may send tunnelled packets.',
  }),
  localSubnetL2Reachability: oneOf(['Disabled', 'PodsAndLoadBalancers'], {
    description: 'Which addresses nodes answer for on their own network.',
  }),
  localSubnetL2ReachabilityRefreshInterval: duration('How often neighbours are told; 120s.'),
  vxlanEnabled: yes('Whether VXLAN is on; taken from the pools if not given.'),
  vxlanMTU: number('MTU of VXLAN over IPv4; 0 finds out.'),
  vxlanMTUV6: number('MTU of VXLAN over IPv6; 0 finds out.'),
  vxlanPort: port('UDP port of VXLAN; 4789.'),
  vxlanVNI: number('Network identifier of VXLAN; 4096.'),
  ipipEnabled: yes('Whether IP in IP is on; taken from the pools if not given.'),
  ipipMTU: number('MTU of IP in IP; 0 finds out.'),
  wireguardEnabled: yes('Whether traffic between nodes is encrypted.'),
  wireguardEnabledV6: yes('The same for IPv6.'),
  wireguardListeningPort: port('UDP port of WireGuard; 51820.'),
  wireguardListeningPortV6: port('The same for IPv6; 51821.'),
  wireguardRoutingRulePriority: number('Priority of its routing rule; 99.'),
  wireguardInterfaceName: words('Its interface; wireguard.cali.'),
  wireguardInterfaceNameV6: words('The same for IPv6; wg-v6.cali.'),
  wireguardMTU: number('Its MTU; 0 finds out.'),
  wireguardMTUV6: number('The same for IPv6.'),
  wireguardHostEncryptionEnabled: yes('Whether traffic of nodes themselves is encrypted too.'),
  wireguardKeepAlive: duration('How often a sign of life is sent; 0 is never.'),
  wireguardThreadingEnabled: yes('Whether WireGuard uses a thread of its own.'),
  istioAmbientMode: onOff('Whether pods of an Istio ambient mesh are handled.'),
  istioDSCPMark: intOrString({ description: 'DSCP mark of that mesh; 23.' }),
});

const timeout = () =>
  matching('^(([0-9]*(\\.[0-9]*)?(ms|s|h|m|us)+)+|Auto)$', 'a span of time such as "60s", or "Auto"');

/** The eBPF dataplane. */
export const bpfFields = () => ({
  bpfEnabled: yes('Whether the eBPF dataplane is used.'),
  bpfLogLevel: anyCase(['Off', 'Info', 'Debug'], { description: 'What eBPF programs log; Off.' }),
  bpfLogFilters: mapOf(text(), { description: 'Per interface, the packets that are logged.' }),
  bpfCTLBLogFilter: words('What connect-time load balancing logs.'),
  bpfConntrackLogLevel: oneOf(['Off', 'Debug'], { description: 'What connection tracking logs.' }),
  bpfConntrackMode: oneOf(['Auto', 'Userspace', 'BPFProgram'], { description: 'Who cleans up connections.' }),
  bpfConntrackTimeouts: object(
    {},
    {
      creationGracePeriod: timeout(),
      tcpSynSent: timeout(),
      tcpEstablished: timeout(),
      tcpFinsSeen: timeout(),
      tcpResetSeen: timeout(),
      udpTimeout: timeout(),
      genericTimeout: timeout(),
      icmpTimeout: timeout(),
    },
    { description: 'When connections are forgotten.' },
  ),
  bpfDataIfacePattern: words('A pattern of interfaces to the world.'),
  bpfL3IfacePattern: words('A pattern of interfaces without hardware addresses.'),
  bpfDisableGROForIfaces: words('A pattern of interfaces without receive offload.'),
  bpfConnectTimeLoadBalancing: oneOf(['TCP', 'Enabled', 'Disabled'], {
    description: 'Which connections to services are balanced as they open.',
  }),
  bpfConnectTimeLoadBalancingEnabled: yes('Old name of bpfConnectTimeLoadBalancing.'),
  bpfHostNetworkedNATWithoutCTLB: onOff('Whether nodes reach services without that.'),
  bpfExternalServiceMode: anyCase(['Tunnel', 'DSR'], {
    description: 'How packets from outside reach services on other nodes.',
  }),
  bpfDSROptoutCIDRs: list(formatted('cidr'), { description: 'Clients without direct return.' }),
  bpfExtToServiceConnmark: number('Mark of connections from outside to services; 0.'),
  bpfKubeProxyIptablesCleanupEnabled: yes('Whether rules of kube-proxy are removed.'),
  bpfKubeProxyMinSyncPeriod: duration('The least time between updates of services; 1s.'),
  bpfKubeProxyHealthzPort: port('Port of the health of services; 10256.'),
  bpfPSNATPorts: intOrString({
    'x-calico-format': 'port-range',
    description: 'Ports for source port conflicts; 20000:29999.',
  }),
  bpfMapSizeNATFrontend: number('Size of a map.'),
  bpfMapSizeNATBackend: number('Size of a map.'),
  bpfMapSizeNATAffinity: number('Size of a map.'),
  bpfMapSizeRoute: number('Size of a map.'),
  bpfMapSizeConntrack: number('Size of a map.'),
  bpfMapSizePerCpuConntrack: number('Size of a map, per CPU.'),
  bpfMapSizeConntrackScaling: anyCase(['Disabled', 'DoubleIfFull'], { description: 'Whether that map grows.' }),
  bpfMapSizeConntrackCleanupQueue: number('Size of a map.', { minimum: 1 }),
  bpfMapSizeIPSets: number('Size of a map.'),
  bpfMapSizeIfState: number('Size of a map.'),
  bpfEnforceRPF: anyCase(['Disabled', 'Strict', 'Loose'], { description: 'How source addresses are checked.' }),
  bpfAttachType: oneOf(['TC', 'TCX', 'Netkit'], { description: 'How programs are attached.' }),
  bpfRedirectToPeer: oneOf(['Enabled', 'Disabled'], { description: 'Whether packets jump into pods.' }),
  bpfOverlayHostSourceIP: oneOf(['TunnelAddress', 'HostAddress'], {
    description: 'Source address of nodes in tunnels.',
  }),
  bpfDisableUnprivileged: yes('Whether others may not load programs; true.'),
  bpfJITHardening: oneOf(['Auto', 'Strict'], { description: 'Whether hardening of the compiler is relaxed.' }),
  bpfForceTrackPacketsFromIfaces: list(text(), { description: 'Interfaces whose packets Linux tracks; docker+.' }),
  bpfMaglevMaxEndpointsPerService: number('Size of consistent hashing; 100.'),
  bpfMaglevMaxServices: number('Size of consistent hashing; 100.'),
  bpfIPFragmentReassemblyEnabled: yes('Whether fragments are put together; true.'),
  bpfIPFragTimeout: duration('How long fragments wait.'),
  bpfHostConntrackBypass: yes('Whether Linux does not track packets that eBPF tracks.'),
  bpfExcludeCIDRsFromNAT: list(formatted('cidr'), { description: 'Services that eBPF leaves alone.' }),
  bpfPolicyDebugEnabled: yes('Whether policy programs can be read back; true.'),
  bpfProfiling: oneOf(['Enabled', 'Disabled'], { description: 'Whether programs are timed.' }),
  bpfExportBufferSizeMB: number('Size of the buffer of events; 1.'),
});
