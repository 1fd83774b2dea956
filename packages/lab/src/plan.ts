import { addAddr, addr, cidr, printAddr } from '@calico/ip';

/** How packets travel between nodes. */
export type Encapsulation = 'none' | 'vxlan' | 'cross-subnet';

export const encapsulations: readonly Encapsulation[] = ['none', 'vxlan', 'cross-subnet'];

/** A node of the lab: a network namespace on one of the fabric's subnets. */
export interface NodePlan {
  readonly name: string;
  /** Address with the subnet's length. */
  readonly address: string;
  readonly gateway: string;
  /** Name of the fabric's bridge that it is plugged into. */
  readonly bridge: string;
}

/** Where everything of a lab is. All addresses exist only inside the lab's own namespaces. */
export interface LabPlan {
  readonly encapsulation: Encapsulation;
  readonly nodes: readonly NodePlan[];
  /** The top-of-rack router: its address on each bridge, and towards the outside. */
  readonly router: {
    readonly ports: readonly { readonly bridge: string; readonly address: string }[];
    readonly outside: string;
  };
  /** A machine that is no node and no pod, behind the router. */
  readonly external: { readonly address: string; readonly gateway: string };
  /** Where nodes reach the API server. */
  readonly api: { readonly address: string; readonly port: number };
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly asNumber: number;
}

const subnets = [
  { bridge: 'fabric-a', subnet: '172.30.1.0/24' },
  { bridge: 'fabric-b', subnet: '172.30.2.0/24' },
] as const;

/** The largest lab: the fabric would carry more, but a laptop would not. */
export const mostNodes = 8;

/** Lays the lab out. Cross-subnet puts the second half of the nodes on a subnet of their own, behind the router. */
export function planLab(options: { nodes: number; encapsulation: Encapsulation }): LabPlan {
  const { nodes, encapsulation } = options;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > mostNodes) {
    throw new RangeError(`Cannot plan a lab: nodes is ${nodes}; allowed: 1 to ${mostNodes}`);
  }
  const used = encapsulation === 'cross-subnet' && nodes > 1 ? subnets : subnets.slice(0, 1);
  const perSubnet = Math.ceil(nodes / used.length);
  return {
    encapsulation,
    nodes: Array.from({ length: nodes }, (_, i) => {
      const place = used[Math.floor(i / perSubnet)] ?? subnets[0];
      return {
        name: `node${i + 1}`,
        address: hostOf(place.subnet, 11 + i),
        gateway: withoutLength(hostOf(place.subnet, 1)),
        bridge: place.bridge,
      };
    }),
    router: {
      ports: used.map(({ bridge, subnet }) => ({ bridge, address: hostOf(subnet, 1) })),
      outside: '198.51.100.1/24',
    },
    external: { address: '198.51.100.10/24', gateway: '198.51.100.1' },
    api: { address: withoutLength(hostOf(subnets[0].subnet, 1)), port: 6443 },
    podCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/16',
    asNumber: 64512,
  };
}

function hostOf(subnet: string, host: number): string {
  const net = cidr(subnet);
  return `${printAddr(addAddr(net.addr, host))}/${net.length}`;
}

/** The address of a text like 10.0.0.1/24, without its length. */
export function withoutLength(text: string): string {
  return printAddr(addr(text.split('/')[0] ?? ''));
}
