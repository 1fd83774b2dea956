import type { Cidr } from '@calico/ip';
import type { Kernel } from '@calico/kernel';

/** An interface of the host, with what choosing an address and an MTU looks at. */
export interface HostInterface {
  readonly name: string;
  readonly mtu: number;
  /** Administratively up. */
  readonly up: boolean;
  /** In the kernel's order. */
  readonly addresses: readonly Cidr[];
}

/** The host's interfaces in the kernel's order, by two dumps. Throws KernelError. */
export function hostInterfaces(kernel: Pick<Kernel, 'links' | 'addresses'>): HostInterface[] {
  const addresses = kernel.addresses();
  return kernel.links().map(({ index, name, mtu, up }) => ({
    name,
    mtu,
    up,
    addresses: addresses.filter(({ link }) => link === index).map(({ address }) => address),
  }));
}

/** The names that are never a host's way out: those of container engines, overlays and pods. Calico's own list. */
const internalNames: readonly RegExp[] = [
  /^docker.*/,
  /^cbr.*/,
  /^dummy.*/,
  /^podman.*/,
  /^virbr.*/,
  /^lxcbr.*/,
  /^veth.*/,
  /^lo/,
  /^br-.*/,
  /^cali.*/,
  /^tunl.*/,
  /^flannel.*/,
  /^kube-ipvs.*/,
  /^cni.*/,
  /^vxlan\.calico.*/,
  /^vxlan-v6\.calico.*/,
  /^wireguard\.cali.*/,
  /^wg-v6\.cali.*/,
  /^nodelocaldns.*/,
];

/** Whether an interface belongs to pods, container engines or overlays, by its name. */
export function isInternal(name: string): boolean {
  return internalNames.some(pattern => pattern.test(name));
}
