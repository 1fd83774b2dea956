import type { EndpointId, LocalEndpoint, Message } from '@calico/calc';
import { type Cidr, mergeCidrs, parseCidr } from '@calico/ip';
import { isAbsent, type Kernel } from '@calico/kernel';
import { bytesKey, netKey } from './policy/address-sets.ts';
import { interfaceNameBytes } from './policy/expressions.ts';
import { allowedSourceSet } from './policy/names.ts';
import type { Ruleset } from './policy/ruleset.ts';

const families = [4, 6] as const;

/**
 * The sets of source addresses that workloads ask to send from besides their own, by interface. Whether they get it is the
 * base chains' say; where they do, the kernel's own check of sources must not be stricter.
 */
export class AllowedSources {
  readonly #ruleset: Ruleset;
  readonly #endpoints = new Map<EndpointId, LocalEndpoint>();
  /** The elements of each interface, by set. */
  readonly #written = new Map<string, readonly (readonly [set: string, key: string])[]>();

  /** Interfaces whose own check we have switched off. */
  readonly #relaxed = new Set<string>();

  /** The ruleset must have the base sets. */
  constructor(ruleset: Ruleset) {
    this.#ruleset = ruleset;
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    if (message.kind === 'endpointUpdate') this.#set(message.id, message.endpoint);
    else if (message.kind === 'endpointRemove') this.#set(message.id, undefined);
  }

  /** An interface came or went: what we set on it is gone. */
  linkChanged(name: string): void {
    this.#relaxed.delete(name);
  }

  /** Has the kernel's own check of sources let through what the rules do. KernelError when it refuses. */
  relax(kernel: Pick<Kernel, 'setSysctl' | 'sysctl'>, allowed: boolean): void {
    for (const name of allowed ? this.#written.keys() : []) {
      if (this.#relaxed.has(name) || !setReversePathFilter(kernel, name, '0')) continue;
      this.#relaxed.add(name);
    }
    for (const name of this.#relaxed) {
      if (allowed && this.#written.has(name)) continue;
      setReversePathFilter(kernel, name, kernel.sysctl('net/ipv4/conf/default/rp_filter'));
      this.#relaxed.delete(name);
    }
  }

  /** Most workloads ask for nothing: they are not even remembered. */
  #set(id: EndpointId, endpoint: LocalEndpoint | undefined): void {
    const before = this.#endpoints.get(id);
    if (endpoint !== undefined && endpoint.allowSpoofedSources.length > 0) this.#endpoints.set(id, endpoint);
    else this.#endpoints.delete(id);
    const after = this.#endpoints.get(id);
    for (const name of new Set([before?.name, after?.name])) if (name !== undefined) this.#write(name);
  }

  /** Two workloads may claim one interface for a while: elements of one interface must not overlap. */
  #write(name: string): void {
    const claims = [...this.#endpoints.values()].filter(endpoint => endpoint.name === name && endpoint.active);
    const nets = claims.flatMap(endpoint => endpoint.allowSpoofedSources).flatMap(text => parseCidr(text) ?? []);
    const now = families.flatMap(family => {
      const ofFamily = mergeCidrs(nets.filter(net => net.addr.family === family));
      return ofFamily.map(net => [allowedSourceSet(family), elementKey(name, net)] as const);
    });
    for (const [set, key] of this.#written.get(name) ?? []) this.#ruleset.setElement(set, key, undefined);
    for (const [set, key] of now) this.#ruleset.setElement(set, key, '');
    if (now.length > 0) this.#written.set(name, now);
    else this.#written.delete(name);
  }
}

/** False where there is no such interface. */
function setReversePathFilter(kernel: Pick<Kernel, 'setSysctl'>, name: string, value: string): boolean {
  try {
    kernel.setSysctl(`net/ipv4/conf/${name}/rp_filter`, value);
    return true;
  } catch (error) {
    if (!isAbsent(error)) throw error;
    return false;
  }
}

/** (interface, first address), (interface, last address). */
function elementKey(name: string, net: Cidr): string {
  const bounds = netKey(net);
  const face = bytesKey(interfaceNameBytes(name));
  return face + bounds.slice(0, bounds.length / 2) + face + bounds.slice(bounds.length / 2);
}
