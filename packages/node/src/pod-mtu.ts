import type { IPPool } from '@calico/api';
import { parseCidr } from '@calico/ip';
import { holderOf } from './addresses/detect-address.ts';
import type { HostInterface } from './addresses/host-interface.ts';

/** What can lie between two nodes, and how many bytes it adds to each packet. RFC 2003, RFC 7348 §5, WireGuard's paper. */
const overheads = { ipip: 20, vxlan: 50, vxlanV6: 70, wireguard: 60, wireguardV6: 80 } as const;

export type Overlay = keyof typeof overheads;

/** Where no interface tells anything; Calico's own choice. */
const fallbackMtu = 1460;

/** The names of interfaces that lead out of a host, by systemd's and the kernel's schemes: Felix's default. */
export const defaultMtuPattern = /^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)/;

/** What a pod's MTU depends on. */
export interface MtuSituation {
  readonly interfaces: readonly HostInterface[];
  /** Felix's MTUIfacePattern: the interfaces that lead out of the host. */
  readonly pattern: RegExp;
  /** The node's addresses with their lengths; their interface counts where none is called as the pattern says. */
  readonly nodeAddresses: readonly (string | undefined)[];
  readonly pools: Iterable<IPPool>;
  readonly wireguard: { readonly ipv4: boolean; readonly ipv6: boolean };
  /** MTUs that somebody has set for overlays, in bytes: Felix's VXLANMTU, IpInIpMtu …; 0 and absent are none. */
  readonly overlayMtus: Partial<Record<Overlay, number>>;
}

/** An MTU in bytes, and how it came about. */
export interface MtuChoice {
  readonly mtu: number;
  readonly why: string;
}

/**
 * The MTU for pods: that of the host's way out with the smallest one, less what the overlays in use add, so that no packet of a
 * pod has to be cut on any way.
 */
export function podMtu(situation: MtuSituation): MtuChoice {
  const host = hostMtu(situation);
  const ways = overlaysInUse(situation).map(overlay => {
    const given = situation.overlayMtus[overlay];
    return given
      ? { mtu: given, words: `${overlay} is set to ${given}` }
      : { mtu: host.mtu - overheads[overlay], words: `${overlay} takes ${overheads[overlay]}` };
  });
  const tightest = ways.reduce((a, b) => (b.mtu < a.mtu ? b : a), { mtu: Number.POSITIVE_INFINITY, words: '' });
  if (ways.length === 0) return { mtu: host.mtu, why: `${host.why}; no overlay is in use` };
  return { mtu: tightest.mtu, why: `${host.why}; ${tightest.words}` };
}

function hostMtu({ interfaces, pattern, nodeAddresses }: MtuSituation): MtuChoice {
  const up = interfaces.filter(each => each.up);
  const [smallest] = up.filter(({ name }) => pattern.test(name)).sort((a, b) => a.mtu - b.mtu);
  if (smallest !== undefined) {
    const { name, mtu } = smallest;
    return { mtu, why: `${name} has ${mtu}, the smallest of the interfaces that are up and match ${pattern.source}` };
  }
  for (const text of nodeAddresses) {
    const address = parseCidr(text ?? '');
    const name = address && holderOf(address.addr, up)?.interfaceName;
    const holder = up.find(each => each.name === name);
    if (holder === undefined) continue;
    const words = `no interface that is up matches ${pattern.source}`;
    return { mtu: holder.mtu, why: `${holder.name} has ${holder.mtu} and the node's address; ${words}` };
  }
  return { mtu: fallbackMtu, why: `no interface that is up matches ${pattern.source}; ${fallbackMtu} fits nearly all` };
}

function overlaysInUse({ pools, wireguard }: MtuSituation): Overlay[] {
  const found = new Set<Overlay>();
  for (const { spec } of pools) {
    const six = parseCidr(spec.cidr)?.addr.family === 6;
    if ((spec.vxlanMode ?? 'Never') !== 'Never') found.add(six ? 'vxlanV6' : 'vxlan');
    if ((spec.ipipMode ?? 'Never') !== 'Never') found.add('ipip');
  }
  if (wireguard.ipv4) found.add('wireguard');
  if (wireguard.ipv6) found.add('wireguardV6');
  return [...found];
}
