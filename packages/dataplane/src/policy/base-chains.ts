import type { Family } from '@calico/ip';
import type { Expr, SetSpec } from '@calico/kernel';
import * as nft from './expressions.ts';
import { workloadMap } from './names.ts';
import type { Chain } from './ruleset.ts';

/** What the chains that hook into the kernel depend on: Felix parameters, and whether the overlay is in use. */
export interface BaseChainConfig {
  /** Start of the names of workload interfaces: InterfacePrefix. */
  readonly interfacePrefix: string;
  /** What happens to a workload's packets to its own host that its policy allows: DefaultEndpointToHostAction. */
  readonly endpointToHostAction: 'drop' | 'return' | 'accept';
  /** UDP port of the VXLAN overlay while it is in use. */
  readonly vxlanPort: number | undefined;
  /** Whether workloads may send VXLAN and IPIP themselves. */
  readonly allowVxlanFromWorkloads: boolean;
  readonly allowIpipFromWorkloads: boolean;
}

/** Sets of the base chains, filled from pools and hosts. */
export const natSourceSet = (family: Family): string => `nat-outgoing-${family}`;
export const poolSet = (family: Family): string => `ip-pools-${family}`;
export const vxlanHostSet = (family: Family): string => `vxlan-hosts-${family}`;

const addressType = (family: Family) => (family === 4 ? 'ipv4_addr' : 'ipv6_addr');
const families = [4, 6] as const;
const udp = 17;
const ipip = 4;

/** The sets that the base chains ask. */
export function baseSets(): SetSpec[] {
  return families.flatMap(family => [
    { name: natSourceSet(family), keyType: addressType(family), flags: ['interval' as const] },
    { name: poolSet(family), keyType: addressType(family), flags: ['interval' as const] },
    { name: vxlanHostSet(family), keyType: addressType(family), flags: [] },
  ]);
}

/**
 * The chains that the kernel calls. A packet between two workloads of this node meets the sender's egress policy in
 * `forward-egress` and the receiver's ingress policy in `forward-ingress`: an `accept` in one base chain still lets the
 * next one look, so no packet mark is needed. Interfaces with our prefix that are in no map are dropped.
 */
export function baseChains(config: BaseChainConfig): Chain[] {
  return [
    rawPrerouting(config),
    forwardEgress(config),
    forwardIngress(config),
    inputPolicy(config),
    inputAction(config),
    natPostrouting(),
  ];
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
  // A workload may send from its own addresses only: those that are routed to its interface.
  rules.push([
    ...nft.interfaceStartsWith('iifname', config.interfacePrefix),
    ...nft.reversePathFails(),
    nft.verdict('drop'),
  ]);
  return { spec: { name: 'raw-prerouting', hook: 'prerouting', priority: -300 }, rules };
}

function forwardEgress(config: BaseChainConfig): Chain {
  const rules = [followedPass(), ...workloadGuards(config), ...fromWorkload(config)];
  return { spec: { name: 'forward-egress', hook: 'forward', priority: 0 }, rules };
}

function forwardIngress(config: BaseChainConfig): Chain {
  const toWorkloads = nft.interfaceStartsWith('oifname', config.interfacePrefix);
  const rules = [
    followedPass(),
    [...toWorkloads, ...nft.conntrackStateIn('invalid'), nft.verdict('drop')],
    ...families.map(family => [
      ...nft.familyIs(family),
      ...nft.interfaceVerdict('oifname', workloadMap('ingress', family)),
    ]),
    [...toWorkloads, nft.verdict('drop')],
  ];
  return { spec: { name: 'forward-ingress', hook: 'forward', priority: 1 }, rules };
}

function inputPolicy(config: BaseChainConfig): Chain {
  const rules = [
    followedPass(),
    ...vxlanFromHosts(config),
    ...neighbourDiscovery(config),
    ...workloadGuards(config),
    ...fromWorkload(config),
  ];
  return { spec: { name: 'input-policy', hook: 'input', priority: 0 }, rules };
}

function inputAction(config: BaseChainConfig): Chain {
  const rules: Expr[][] = [
    followedPass(),
    ...neighbourDiscovery(config),
    [...nft.interfaceStartsWith('iifname', config.interfacePrefix), nft.verdict(config.endpointToHostAction)],
  ];
  return { spec: { name: 'input-action', hook: 'input', priority: 1 }, rules };
}

/** After kube-proxy (srcnat, 100): packets that leave the pools from a pool with natOutgoing. */
function natPostrouting(): Chain {
  const rules = families.map(family => [
    ...nft.familyIs(family),
    ...nft.addressInSet(family, 'source', natSourceSet(family), false),
    ...nft.addressInSet(family, 'destination', poolSet(family), true),
    { kind: 'masquerade', randomFully: true } as const,
  ]);
  return { spec: { name: 'nat-postrouting', type: 'nat', hook: 'postrouting', priority: 110 }, rules };
}

/** Policy decides the first packet of a connection; those that follow pass. */
function followedPass(): Expr[] {
  return [...nft.conntrackStateIn('established', 'related'), nft.verdict('accept')];
}

/**
 * A workload's packets that belong to no connection are dropped; other programs' are left to them. A workload that could
 * send encapsulated packets could send as anyone.
 */
function workloadGuards(config: BaseChainConfig): Expr[][] {
  const fromWorkloads = nft.interfaceStartsWith('iifname', config.interfacePrefix);
  const rules: Expr[][] = [[...fromWorkloads, ...nft.conntrackStateIn('invalid'), nft.verdict('drop')]];
  const port = config.vxlanPort ?? defaultVxlanPort;
  if (!config.allowVxlanFromWorkloads) {
    rules.push([
      ...fromWorkloads,
      ...nft.protocolIs(udp),
      ...nft.portInRange('destination', port, port, false),
      nft.verdict('drop'),
    ]);
  }
  if (!config.allowIpipFromWorkloads) rules.push([...fromWorkloads, ...nft.protocolIs(ipip), nft.verdict('drop')]);
  return rules;
}

/** IANA's VXLAN port. RFC 7348 §5 */
const defaultVxlanPort = 4789;

function fromWorkload(config: BaseChainConfig): Expr[][] {
  return [
    ...families.map(family => [
      ...nft.familyIs(family),
      ...nft.interfaceVerdict('iifname', workloadMap('egress', family)),
    ]),
    [...nft.interfaceStartsWith('iifname', config.interfacePrefix), nft.verdict('drop')],
  ];
}

/** The overlay takes packets of known nodes only. */
function vxlanFromHosts({ vxlanPort }: BaseChainConfig): Expr[][] {
  if (vxlanPort === undefined) return [];
  const overlay = [
    ...nft.protocolIs(udp),
    ...nft.portInRange('destination', vxlanPort, vxlanPort, false),
    ...nft.destinationIsLocal(),
  ];
  return [
    ...families.map(family => [
      ...nft.familyIs(family),
      ...overlay,
      ...nft.addressInSet(family, 'source', vxlanHostSet(family), false),
      nft.verdict('accept'),
    ]),
    [...overlay, nft.verdict('drop')],
  ];
}

/** What IPv6 on the link needs: multicast listener and neighbour discovery. RFC 2710, RFC 4861 */
function neighbourDiscovery({ interfacePrefix }: BaseChainConfig): Expr[][] {
  const types = [130, 131, 132, 133, 135, 136];
  return types.map(type => [
    ...nft.interfaceStartsWith('iifname', interfacePrefix),
    ...nft.familyIs(6),
    ...nft.protocolIs(58),
    ...nft.icmpIs(type, undefined, false),
    nft.verdict('accept'),
  ]);
}
