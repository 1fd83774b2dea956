import { addrToBytes, type Family, parseAddr } from '@calico/ip';
import type { Expr } from '@calico/kernel';
import type { PortRange } from '@calico/policy';
import * as nft from './expressions.ts';
import { ownFloatingIpRule } from './floating-ips.ts';
import { natSourceSet, poolSet, vxlanHostSet } from './names.ts';
import type { Chain } from './ruleset.ts';

/** How the sources of packets are translated, when they leave the pools above all: Felix parameters. */
export interface NatConfig {
  /** Source address of IPv4 packets; undefined: that of the interface they leave by. NATOutgoingAddress */
  readonly natOutgoingAddress: string | undefined;
  /** Source ports of TCP and UDP; undefined: the kernel's choice. NATPortRange */
  readonly natPortRange: PortRange | undefined;
  /** Destinations that are not translated for. NATOutgoingExclusions */
  readonly natOutgoingExclusions: 'IPPoolsOnly' | 'IPPoolsAndHostIPs';
  /** Only packets that leave by it are translated: a name, `+` at its end stands for the rest; empty: all. */
  readonly natInterfaceFilter: string;
  /** Whether pods can be reached by floating IPs: FloatingIPs. */
  readonly floatingIps: boolean;
}

const families = [4, 6] as const;
const tcp = 6;
const udp = 17;

/** After kube-proxy (srcnat, 100): packets of a pod to itself, and those that leave the pools from a pool with natOutgoing. */
export function natPostrouting(config: NatConfig): Chain {
  const ownFloatingIps = config.floatingIps ? families.map(ownFloatingIpRule) : [];
  const rules = [...ownFloatingIps, ...families.flatMap(family => rulesOf(family, config))];
  return { spec: { name: 'nat-postrouting', type: 'nat', hook: 'postrouting', priority: 110 }, rules };
}

function rulesOf(family: Family, config: NatConfig): Expr[][] {
  const { natOutgoingAddress, natOutgoingExclusions, natInterfaceFilter, natPortRange } = config;
  const given = parseAddr(natOutgoingAddress ?? '');
  const address = given?.family === family ? addrToBytes(given) : undefined;
  const leaving = [
    ...nft.familyIs(family),
    ...nft.addressInSet(family, 'source', natSourceSet(family), false),
    ...nft.addressInSet(family, 'destination', poolSet(family), true),
    ...(natOutgoingExclusions === 'IPPoolsOnly'
      ? []
      : nft.addressInSet(family, 'destination', vxlanHostSet(family), true)),
    ...(natInterfaceFilter === '' ? [] : nft.interfaceMatches('oifname', natInterfaceFilter)),
  ];
  const withPorts = natPortRange === undefined ? [] : [tcp, udp];
  return [
    ...withPorts.map(protocol => [
      ...leaving,
      ...nft.protocolIs(protocol),
      ...nft.translateSource(family, address, natPortRange),
    ]),
    [...leaving, ...nft.translateSource(family, address, undefined)],
  ];
}
