import type { SetType } from '@calico/calc';
import {
  type Addr,
  addrToBytes,
  type Cidr,
  type Family,
  firstAddr,
  hostCidr,
  lastAddr,
  parseAddr,
  parseCidr,
} from '@calico/ip';
import type { SetId } from '@calico/policy';
import { CoverFilter, type Shown } from './cover-filter.ts';
import { kernelSetName, type SetPart } from './names.ts';

/** A change of one kernel set's elements; the key is the element's bytes as a Latin-1 string. */
export interface ElementChange {
  readonly id: SetId;
  readonly family: Family;
  readonly part: SetPart;
  /** The kernel set's name. */
  readonly set: string;
  readonly key: string;
  readonly present: boolean;
}

/** What address sets tell their owner. */
export interface AddressSetsListener {
  /** An element came or went. */
  changed(change: ElementChange): void;
  /** The set got its first or lost its last network of a family, or its ports are others: rules that ask it are rendered anew. */
  shapeChanged(set: SetId): void;
}

/** IP protocol numbers of the names that members of `ipPort` sets use. */
const protocolNumbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };

interface Part {
  readonly name: string;
  readonly elements: Set<string>;
}

interface AddressSet {
  readonly type: SetType;
  readonly filters: Record<Family, CoverFilter>;
  /** What the set has of each part, by the kernel sets' short names: `4/hosts`. */
  readonly parts: Map<string, Part>;
}

/**
 * The address sets of the calculation, split into what the kernel is good at: single addresses in hash sets, networks
 * in interval sets without overlaps, (address, protocol, port) in hash sets.
 */
export class AddressSets {
  readonly #sets = new Map<SetId, AddressSet>();
  readonly #parts = new Map<string, Part>();
  /** The ports of `ipPort` sets, each with the number of members that have it. */
  readonly #ports = new Map<SetId, Map<number, number>>();

  readonly #on: AddressSetsListener;

  constructor(on: AddressSetsListener) {
    this.#on = on;
  }

  /** Makes the set have exactly these members. */
  update(id: SetId, type: SetType, members: readonly string[]): void {
    const set: AddressSet = { type, filters: { 4: new CoverFilter(), 6: new CoverFilter() }, parts: new Map() };
    this.#watchingShape(id, () => {
      this.#clear(id);
      this.#sets.set(id, set);
      for (const member of members) this.#changeMember(id, set, member, true);
    });
  }

  /** Adds and removes members of a known set; each is added once before it is removed. */
  change(id: SetId, added: readonly string[], removed: readonly string[]): void {
    const set = this.#sets.get(id);
    if (set === undefined) throw new Error(`Cannot change address set ${id}: it is unknown`);
    this.#watchingShape(id, () => {
      for (const member of removed) this.#changeMember(id, set, member, false);
      for (const member of added) this.#changeMember(id, set, member, true);
    });
  }

  /** Forgets the set and its members. */
  remove(id: SetId): void {
    this.#watchingShape(id, () => this.#clear(id));
  }

  #clear(id: SetId): void {
    this.#sets.delete(id);
    this.#ports.delete(id);
    for (const family of [4, 6] as const) {
      for (const part of ['hosts', 'nets', 'ports'] as const) {
        const name = kernelSetName(id, family, part);
        for (const key of this.#parts.get(name)?.elements ?? []) {
          this.#on.changed({ id, family, part, set: name, key, present: false });
        }
        this.#parts.delete(name);
      }
    }
  }

  /** Whether the set has networks (not single addresses) of the family. */
  hasNets(id: SetId, family: Family): boolean {
    return (this.#parts.get(kernelSetName(id, family, 'nets'))?.elements.size ?? 0) > 0;
  }

  /** The few ports that members of an `ipPort` set have; undefined when they are many. */
  portsOf(id: SetId): readonly number[] | undefined {
    const ports = this.#ports.get(id);
    if (ports === undefined) return [];
    return ports.size > fewPorts ? undefined : [...ports.keys()].sort((a, b) => a - b);
  }

  /** The networks of the family that the set has, none of which covers another. */
  nets(id: SetId, family: Family): Iterable<Cidr> {
    return this.#sets.get(id)?.filters[family].shown ?? [];
  }

  /** Whether a member covers the address or, with protocol and port, is all three, as `Sets` of the evaluator asks. */
  contains(id: SetId, address: Addr, protocol?: number, port?: number): boolean {
    const { family } = address;
    const has = (part: SetPart, key: string) => this.elements(kernelSetName(id, family, part)).has(key);
    if (protocol !== undefined && port !== undefined) return has('ports', portKey(address, protocol, port));
    if (has('hosts', bytesKey(addrToBytes(address)))) return true;
    return this.#sets.get(id)?.filters[family].covers(hostCidr(address)) ?? false;
  }

  /** The elements that the kernel set of this name must have now. */
  elements(name: string): ReadonlySet<string> {
    return this.#parts.get(name)?.elements ?? noElements;
  }

  #watchingShape(id: SetId, change: () => void): void {
    const before = this.#shape(id);
    change();
    if (before !== this.#shape(id)) this.#on.shapeChanged(id);
  }

  #shape(id: SetId): string {
    return `${this.hasNets(id, 4)} ${this.hasNets(id, 6)} ${this.portsOf(id)?.join(' ')}`;
  }

  #changeMember(id: SetId, set: AddressSet, member: string, present: boolean): void {
    const host = set.type === 'net' ? hostKey(member) : undefined;
    if (host !== undefined) {
      this.#put(id, set, 4, 'hosts', host, present);
      return;
    }
    if (set.type === 'ipPort') {
      const { addr, protocol, port } = parsePortMember(member);
      this.#countPort(id, port, present);
      this.#put(id, set, addr.family, 'ports', portKey(addr, protocol, port), present);
      return;
    }
    const net = parseCidr(member);
    if (net === undefined) throw new Error(`Cannot use member "${member}" of address set ${id}: it is no CIDR`);
    const family = net.addr.family;
    if (net.length === (family === 4 ? 32 : 128)) {
      this.#put(id, set, family, 'hosts', bytesKey(addrToBytes(net.addr)), present);
      return;
    }
    const shown: Shown = present ? set.filters[family].add(net) : set.filters[family].delete(net);
    for (const gone of shown.removed) this.#put(id, set, family, 'nets', netKey(gone), false);
    for (const come of shown.added) this.#put(id, set, family, 'nets', netKey(come), true);
  }

  #countPort(id: SetId, port: number, present: boolean): void {
    let ports = this.#ports.get(id);
    if (ports === undefined) {
      ports = new Map();
      this.#ports.set(id, ports);
    }
    const left = (ports.get(port) ?? 0) + (present ? 1 : -1);
    if (left > 0) ports.set(port, left);
    else ports.delete(port);
  }

  #put(id: SetId, set: AddressSet, family: Family, part: SetPart, key: string, present: boolean): void {
    const short = `${family}/${part}`;
    let content = set.parts.get(short);
    if (content === undefined) {
      content = { name: kernelSetName(id, family, part), elements: new Set() };
      set.parts.set(short, content);
      this.#parts.set(content.name, content);
    }
    if (present) content.elements.add(key);
    else content.elements.delete(key);
    this.#on.changed({ id, family, part, set: content.name, key, present });
  }
}

/** A name of a port stands for one number nearly everywhere. */
const fewPorts = 16;

const noElements: ReadonlySet<string> = new Set();

/** Bytes as a string of the same length, one character a byte: a small map key. */
export function bytesKey(bytes: Uint8Array): string {
  // Going through the bytes by their iterator takes three times as long, and spreading them ten times.
  if (bytes.length !== 4) return String.fromCharCode.apply(undefined, bytes as unknown as number[]);
  return String.fromCharCode(bytes[0] ?? 0, bytes[1] ?? 0, bytes[2] ?? 0, bytes[3] ?? 0);
}

/** The bytes of a key. */
export function keyBytes(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let i = 0; i < key.length; i++) bytes[i] = key.charCodeAt(i);
  return bytes;
}

/** The key of a member that is a single address of IPv4, as most are, read without numbers larger than the CPU's. */
function hostKey(member: string): string | undefined {
  if (!member.endsWith('/32') || member.includes(':')) return undefined;
  const bytes = [0, 0, 0, 0];
  let at = 0;
  for (let i = 0; i < member.length - 3; i++) {
    const code = member.charCodeAt(i);
    if (code === 46) at++;
    else if (code >= 48 && code <= 57) bytes[at] = (bytes[at] ?? 256) * 10 + code - 48;
    else return undefined;
  }
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  return at === 3 && Math.max(a, b, c, d) < 256 ? String.fromCharCode(a, b, c, d) : undefined;
}

/** A network as the first and the last address, one behind the other. */
export function netKey(net: Cidr): string {
  return bytesKey(addrToBytes(firstAddr(net))) + bytesKey(addrToBytes(lastAddr(net)));
}

/** Address, protocol and port, each filled up to whole 4-byte words as concatenations want it. */
function portKey(addr: Addr, protocol: number, port: number): string {
  return bytesKey(addrToBytes(addr)) + String.fromCharCode(protocol, 0, 0, 0, port >> 8, port & 0xff, 0, 0);
}

function parsePortMember(member: string): { addr: Addr; protocol: number; port: number } {
  const [, address = '', name = '', port = ''] = /^([^,]+),([a-z]+):(\d+)$/.exec(member) ?? [];
  const addr = parseAddr(address);
  const protocol = protocolNumbers[name];
  if (addr === undefined || protocol === undefined) {
    throw new Error(`Cannot use member "${member}": allowed are <address>,tcp|udp|sctp:<port>`);
  }
  return { addr, protocol, port: Number(port) };
}
