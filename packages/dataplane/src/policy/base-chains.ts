import { addrToBytes, type Family, maskCidr, parseCidr } from '@calico/ip';
import type { Expr, SetSpec } from '@calico/kernel';
import type { Direction } from '@calico/policy';
import * as nft from './expressions.ts';
import {
  allowedSourceSet,
  cutChain,
  denyChain,
  natSourceSet,
  poolSet,
  serviceSet,
  vxlanHostSet,
  workloadLinkMap,
  workloadLinkSet,
  workloadMap,
} from './names.ts';
import { type NatConfig, natPostrouting } from './nat-outgoing.ts';
import type { Chain } from './ruleset.ts';

/** What the chains that hook into the kernel depend on: Felix parameters, and whether the overlay is in use. */
export interface BaseChainConfig extends NatConfig {
  /** Starts of the names of workload interfaces: InterfacePrefix. */
  readonly interfacePrefixes: readonly string[];
  /** What happens to a workload's packets to its own host that its policy allows: DefaultEndpointToHostAction. */
  readonly endpointToHostAction: 'drop' | 'return' | 'accept';
  /** What denied packets get: NftablesFilterDenyAction. */
  readonly denyAction: DenyAction;
  /** What packets get that would leave again for a service that nobody has translated: ServiceLoopPrevention. */
  readonly serviceLoopPrevention: 'Drop' | 'Reject' | 'Disabled';
  /** Whether packets that belong to no connection are asked about like others: DisableConntrackInvalidCheck. */
  readonly disableConntrackInvalidCheck: boolean;
  /** Whether workloads may send from the addresses that they ask for: WorkloadSourceSpoofing. */
  readonly sourceSpoofing: 'Disabled' | 'Any';
  /** UDP port of the VXLAN overlay while it is in use. */
  readonly vxlanPort: number | undefined;
  /** CIDRs besides the nodes that may send into the overlay: ExternalNodesCIDRList. */
  readonly externalNodes: readonly string[];
  /** Whether workloads may send VXLAN and IPIP themselves. */
  readonly allowVxlanFromWorkloads: boolean;
  readonly allowIpipFromWorkloads: boolean;
}

/** What denied packets get; nothing, or an ICMP answer. */
export type DenyAction = 'drop' | 'reject';

const addressType = (family: Family) => (family === 4 ? 'ipv4_addr' : 'ipv6_addr');
const families = [4, 6] as const;
const tcp = 6;
const udp = 17;
const ipip = 4;
/** Code of `reject with icmpx`, for both families: nft's own choice. linux/netfilter/nf_tables.h NFT_REJECT_ICMPX_PORT_UNREACH */
const portUnreachable = 1;

/** The sets that the base chains ask. */
export function baseSets(): SetSpec[] {
  return families.flatMap(family => [
    { name: natSourceSet(family), keyType: addressType(family), flags: ['interval' as const] },
    { name: poolSet(family), keyType: addressType(family), flags: ['interval' as const] },
    { name: serviceSet(family), keyType: addressType(family), flags: ['interval' as const] },
    { name: vxlanHostSet(family), keyType: addressType(family), flags: [] },
    { name: allowedSourceSet(family), keyType: ['ifname', addressType(family)] as const, flags: ['interval' as const] },
  ]);
}

/** Where packets of workloads go on: chains that those that the kernel calls lead to. */
const chainOf = {
  source: 'workload-source',
  from: 'from-workload',
  to: 'to-workload',
  input: 'input-from-workload',
  host: 'workload-to-host',
} as const;

/**
 * The chains that the kernel calls, and those that they lead to. A packet between two workloads of this node meets the
 * sender's egress policy in `forward-egress` and the receiver's ingress policy in `forward-ingress`: an `accept` in one base
 * chain still lets the next one look, so no packet mark is needed. An interface is a workload's by the start of its name, or
 * by its index where somebody has renamed it; those that are in no map are denied.
 */
export function baseChains(config: BaseChainConfig): Chain[] {
  return [
    rawPrerouting(config),
    forwardEgress(config),
    forwardIngress(config),
    inputPolicy(config),
    inputAction(config),
    natPostrouting(config),
    { spec: { name: chainOf.source }, rules: [[...nft.reversePathFails(), nft.verdict('drop')]] },
    { spec: { name: chainOf.from }, rules: [...workloadGuards(config), ...byPrograms('egress')] },
    { spec: { name: chainOf.to }, rules: [...invalidDenied(config), ...byPrograms('ingress')] },
    { spec: { name: chainOf.input }, rules: [...neighbourDiscovery(), [nft.toChain('goto', chainOf.from)]] },
    { spec: { name: chainOf.host }, rules: [...neighbourDiscovery(), [nft.verdict(config.endpointToHostAction)]] },
    denying(config.denyAction),
    cutConnection,
  ];
}

/** Both ends of a TCP connection that was cut are told so with the next packet that they send. */
const cutConnection: Chain = {
  spec: { name: cutChain },
  rules: [[...nft.protocolIs(tcp), { kind: 'reject', type: 'tcpReset' }], [nft.deny()]],
};

/** The chain that denied packets end in. */
export function denying(action: DenyAction): Chain {
  return { spec: { name: denyChain }, rules: [[ending(action)]] };
}

function ending(action: DenyAction): Expr {
  return action === 'drop' ? nft.verdict('drop') : { kind: 'reject', type: 'icmpx', code: portUnreachable };
}

function rawPrerouting(config: BaseChainConfig): Chain {
  const rules: Expr[][] = [];
  if (config.vxlanPort !== undefined) {
    rules.push([
      ...nft.protocolIs(udp),
      ...nft.portInRange('destination', config.vxlanPort, config.vxlanPort, false),
      { kind: 'notrack' },
    ]);
  }
  if (config.sourceSpoofing === 'Any') {
    for (const family of families) {
      rules.push([
        ...nft.familyIs(family),
        ...nft.interfaceAndSourceInSet(family, allowedSourceSet(family)),
        nft.verdict('accept'),
      ]);
    }
  }
  // A workload may send from its own addresses only: those that are routed to its interface. Nobody is answered here.
  rules.push(...leading('iif', chainOf.source, config));
  return { spec: { name: 'raw-prerouting', hook: 'prerouting', priority: -300 }, rules };
}

/** Leads packets that come from, or go to, interfaces of workloads to a chain. */
function leading(side: 'iif' | 'oif', chain: string, { interfacePrefixes }: BaseChainConfig): Expr[][] {
  const there = nft.toChain('goto', chain);
  return [
    ...interfacePrefixes.map(prefix => [...nft.interfaceStartsWith(`${side}name`, prefix), there]),
    [...nft.interfaceInSet(side, workloadLinkSet), there],
  ];
}

/** Packets that belong to no connection are denied. */
function invalidDenied({ disableConntrackInvalidCheck }: BaseChainConfig): Expr[][] {
  return disableConntrackInvalidCheck ? [] : [[...nft.conntrackStateIn('invalid'), nft.deny()]];
}

function forwardEgress(config: BaseChainConfig): Chain {
  const rules = [cutEnds(), followedPass(), ...leading('iif', chainOf.from, config)];
  return { spec: { name: 'forward-egress', hook: 'forward', priority: 0 }, rules };
}

function forwardIngress(config: BaseChainConfig): Chain {
  const rules = [followedPass(), ...leading('oif', chainOf.to, config), ...serviceLoops(config)];
  return { spec: { name: 'forward-ingress', hook: 'forward', priority: 1 }, rules };
}

function inputPolicy(config: BaseChainConfig): Chain {
  const rules = [cutEnds(), followedPass(), ...vxlanFromHosts(config), ...leading('iif', chainOf.input, config)];
  return { spec: { name: 'input-policy', hook: 'input', priority: 0 }, rules };
}

function inputAction(config: BaseChainConfig): Chain {
  const rules = [followedPass(), ...leading('iif', chainOf.host, config)];
  return { spec: { name: 'input-action', hook: 'input', priority: 1 }, rules };
}

/**
 * Where nodes advertise the addresses of services, the router sends packets to unused ones back to a node, which would send them to
 * the router: they end here. Those to pods have gone their way before.
 */
function serviceLoops({ serviceLoopPrevention: action }: BaseChainConfig): Expr[][] {
  if (action === 'Disabled') return [];
  return families.map(family => [
    ...nft.familyIs(family),
    ...nft.addressInSet(family, 'destination', serviceSet(family), false),
    ending(action === 'Drop' ? 'drop' : 'reject'),
  ]);
}

/** Before all else: a connection that was cut is not followed any more. */
function cutEnds(): Expr[] {
  return [...nft.connectionIsCut(), nft.toChain('goto', cutChain)];
}

/** Policy decides the first packet of a connection; those that follow pass. */
function followedPass(): Expr[] {
  return [...nft.conntrackStateIn('established', 'related'), nft.verdict('accept')];
}

/** What no workload may send: one that could send encapsulated packets could send as anyone. */
function workloadGuards(config: BaseChainConfig): Expr[][] {
  const rules = invalidDenied(config);
  const port = config.vxlanPort ?? defaultVxlanPort;
  const isVxlan = [...nft.protocolIs(udp), ...nft.portInRange('destination', port, port, false)];
  if (!config.allowVxlanFromWorkloads) rules.push([...isVxlan, nft.deny()]);
  if (!config.allowIpipFromWorkloads) rules.push([...nft.protocolIs(ipip), nft.deny()]);
  return rules;
}

/** IANA's VXLAN port. RFC 7348 §5 */
const defaultVxlanPort = 4789;

/** The program of the workload's interface decides; an interface without one is denied. */
function byPrograms(direction: Direction): Expr[][] {
  const side = direction === 'egress' ? 'iif' : 'oif';
  const ask = (key: typeof side | `${typeof side}name`, mapOf: typeof workloadMap) =>
    families.map(family => [...nft.familyIs(family), ...nft.interfaceVerdict(key, mapOf(direction, family))]);
  return [...ask(`${side}name`, workloadMap), ...ask(side, workloadLinkMap), [nft.deny()]];
}

/** The overlay takes packets of known nodes only. */
function vxlanFromHosts({ vxlanPort, externalNodes }: BaseChainConfig): Expr[][] {
  if (vxlanPort === undefined) return [];
  const overlay = [
    ...nft.protocolIs(udp),
    ...nft.portInRange('destination', vxlanPort, vxlanPort, false),
    ...nft.destinationIsLocal(),
  ];
  const external = externalNodes.flatMap(text => parseCidr(text) ?? []).map(maskCidr);
  return [
    ...families.map(family => [
      ...nft.familyIs(family),
      ...overlay,
      ...nft.addressInSet(family, 'source', vxlanHostSet(family), false),
      nft.verdict('accept'),
    ]),
    ...external.map(({ addr, length }) => [
      ...nft.familyIs(addr.family),
      ...overlay,
      ...nft.addressInNet(addr.family, 'source', addrToBytes(addr), length, false),
      nft.verdict('accept'),
    ]),
    [...overlay, nft.verdict('drop')],
  ];
}

/** What IPv6 on the link needs: multicast listener and neighbour discovery. RFC 2710, RFC 4861 */
function neighbourDiscovery(): Expr[][] {
  const types = [130, 131, 132, 133, 135, 136];
  return types.map(type => [
    ...nft.familyIs(6),
    ...nft.protocolIs(58),
    ...nft.icmpIs(type, undefined, false),
    nft.verdict('accept'),
  ]);
}
