import { refuse } from './refuse.ts';

// What a new namespace of Linux 6.x starts with; only those that Calico reads or sets exist here.
const globals: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '0',
  'net/netfilter/nf_conntrack_acct': '0',
  'net/netfilter/nf_conntrack_max': '262144',
};

const perLink: Readonly<Record<string, string>> = {
  'net/ipv4/conf/*/forwarding': '0',
  'net/ipv4/conf/*/proxy_arp': '0',
  'net/ipv4/conf/*/route_localnet': '0',
  'net/ipv4/conf/*/rp_filter': '0',
  'net/ipv4/conf/*/src_valid_mark': '0',
  'net/ipv4/neigh/*/proxy_delay': '80',
  'net/ipv6/conf/*/accept_dad': '1',
  'net/ipv6/conf/*/accept_ra': '1',
  'net/ipv6/conf/*/disable_ipv6': '0',
  'net/ipv6/conf/*/forwarding': '0',
  'net/ipv6/conf/*/proxy_ndp': '0',
};

/** The /proc/sys/net of one namespace. All values are integers: anything else is EINVAL, as in Linux. */
export class FakeSysctls {
  readonly #values = new Map(Object.entries(globals));

  constructor() {
    this.addLink('all');
    this.addLink('default');
  }

  addLink(name: string): void {
    for (const [pattern, value] of Object.entries(perLink)) this.#values.set(pattern.replace('*', name), value);
  }

  deleteLink(name: string): void {
    for (const pattern of Object.keys(perLink)) this.#values.delete(pattern.replace('*', name));
  }

  renameLink(from: string, to: string): void {
    for (const pattern of Object.keys(perLink)) {
      const value = this.#values.get(pattern.replace('*', from));
      if (value !== undefined) this.#values.set(pattern.replace('*', to), value);
    }
    this.deleteLink(from);
  }

  get(path: string): string {
    return this.#values.get(path) ?? refuse(`read sysctl ${path}`, 'ENOENT');
  }

  set(path: string, value: string): void {
    const op = `set sysctl ${path} to ${value}`;
    if (!this.#values.has(path)) refuse(op, 'ENOENT');
    if (!/^-?\d+$/.test(value.trim())) refuse(op, 'EINVAL');
    this.#values.set(path, value.trim());
  }

  /** Those that differ from a new namespace's, as `path = value`, sorted. */
  changed(): string[] {
    const lines: string[] = [];
    for (const [path, value] of this.#values) {
      const pattern = path.replace(/^(net\/ipv[46]\/(?:conf|neigh)\/).*(\/[^/]+)$/, '$1*$2');
      if (value !== (globals[path] ?? perLink[pattern])) lines.push(`${path} = ${value}`);
    }
    return lines.sort();
  }
}
