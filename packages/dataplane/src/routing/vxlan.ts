import type { Vtep } from '@calico/calc';
import { type Addr, type Family, hostCidr, parseAddr } from '@calico/ip';
import { isAbsent, type Kernel, type Link } from '@calico/kernel';
import { type RoutingConfig, vxlanDevice, vxlanOverhead } from './routing-config.ts';

/** This node's or another's end of the overlay in one family. */
export interface TunnelEnd {
  readonly mac: string;
  readonly tunnel: Addr;
  readonly parent: Addr;
}

/** The end of a VTEP in one family; undefined where it has none. */
export function tunnelEnd(vtep: Vtep | undefined, family: Family): TunnelEnd | undefined {
  const mac = family === 4 ? vtep?.mac : vtep?.macV6;
  const tunnel = parseAddr((family === 4 ? vtep?.ipv4 : vtep?.ipv6) ?? '');
  const parent = parseAddr((family === 4 ? vtep?.parentIpv4 : vtep?.parentIpv6) ?? '');
  return mac === undefined || tunnel === undefined || parent === undefined ? undefined : { mac, tunnel, parent };
}

/**
 * Makes the VXLAN device of the family as it should be, and gives its index: made anew when the kernel's one differs in
 * what can't be changed; undefined while this node's end or the parent interface is unknown. Idempotent.
 */
export function ensureVxlanDevice(
  kernel: Kernel,
  family: Family,
  own: TunnelEnd | undefined,
  config: RoutingConfig,
): number | undefined {
  const name = vxlanDevice[family];
  const parent = own && linkWithAddress(kernel, own.parent);
  if (own === undefined || parent === undefined) {
    removeVxlanDevice(kernel, family);
    return undefined;
  }
  const mtu = (family === 4 ? config.vxlanMtu : config.vxlanMtuV6) || parent.mtu - vxlanOverhead[family];
  let link = kernel.link(name);
  if (link !== undefined && !fits(link, own, parent, config)) {
    kernel.deleteLink(link.index);
    link = undefined;
  }
  link ??= kernel.createLink({
    kind: 'vxlan',
    name,
    vni: config.vxlanVni,
    port: config.vxlanPort,
    local: own.parent,
    parent: parent.index,
    mac: own.mac,
    mtu,
    up: true,
  });
  if (link.mtu !== mtu || !link.up) kernel.setLink(link.index, { mtu, up: true });
  ensureAddress(kernel, link.index, own.tunnel);
  return link.index;
}

/** Removes the VXLAN device of the family if there is one; so gives none. */
export function removeVxlanDevice(kernel: Kernel, family: Family): undefined {
  const link = kernel.link(vxlanDevice[family]);
  if (link !== undefined) kernel.deleteLink(link.index);
}

/** The interface that holds the address. */
export function linkWithAddress(kernel: Kernel, address: Addr): Link | undefined {
  const holder = kernel
    .addresses()
    .find(a => a.address.addr.family === address.family && a.address.addr.value === address.value);
  return holder && kernel.link(holder.link);
}

/** Deletes something; that it is gone already is as good. */
export function unlessAbsent(deletion: () => void): void {
  try {
    deletion();
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

function fits(link: Link, own: TunnelEnd, parent: Link, config: RoutingConfig): boolean {
  const { vxlan } = link;
  return (
    link.kind === 'vxlan' &&
    link.mac === own.mac &&
    link.parent === parent.index &&
    vxlan !== undefined &&
    !vxlan.learning &&
    vxlan.vni === config.vxlanVni &&
    vxlan.port === config.vxlanPort &&
    vxlan.local?.value === own.parent.value
  );
}

function ensureAddress(kernel: Kernel, link: number, address: Addr): void {
  const wanted = hostCidr(address);
  for (const present of kernel.addresses(link)) {
    const { addr, length } = present.address;
    // The kernel's own link-local address of IPv6 stays.
    if (addr.family !== address.family || present.scope === 'link') continue;
    if (addr.value !== address.value || length !== wanted.length) kernel.deleteAddress(present);
  }
  kernel.replaceAddress({ link, address: wanted, scope: 'universe', ...(address.family === 6 ? { noDad: true } : {}) });
}
