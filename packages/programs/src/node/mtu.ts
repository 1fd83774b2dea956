import type { IPPool } from '@calico/api';
import { addrEquals, parseCidr } from '@calico/ip';
import type { Kernel } from '@calico/kernel';

/** Used where no interface of the host tells anything: Calico's own choice. */
const fallbackMtu = 1460;
/** Bytes that VXLAN over IPv4 adds to a packet. RFC 7348 §5 */
const vxlanOverhead = 50;

/** The MTU for pods: that of the interface with the node's address, less what the overlay adds while a pool uses it. */
export function defaultPodMtu(kernel: Kernel, nodeAddress: string | undefined, pools: Iterable<IPPool>): number {
  const own = parseCidr(nodeAddress ?? '');
  const holder = own && kernel.addresses().find(({ address }) => addrEquals(address.addr, own.addr));
  const hostMtu = (holder && kernel.link(holder.link)?.mtu) ?? fallbackMtu;
  const overlay = [...pools].some(({ spec }) => spec.vxlanMode !== undefined && spec.vxlanMode !== 'Never');
  return overlay ? hostMtu - vxlanOverhead : hostMtu;
}
