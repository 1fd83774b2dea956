import type { EndpointId } from '@calico/calc';
import type { Family } from '@calico/ip';
import type { SetSpec } from '@calico/kernel';
import type { Direction } from '@calico/policy';
import { MultiMap } from '@calico/reconcile';
import { bytesKey } from './address-sets.ts';
import { interfaceNameBytes } from './expressions.ts';
import { markKey } from './lookup/numbers.ts';
import { workloadLinkMap, workloadLinkSet, workloadMap } from './names.ts';
import type { Ruleset } from './ruleset.ts';

const sides = (['ingress', 'egress'] as const).flatMap(direction =>
  ([4, 6] as const).map(family => ({ direction, family })),
);

/** The maps and the set that `InterfaceMaps` fills. */
export function interfaceSets(): SetSpec[] {
  return [
    ...sides.flatMap(({ direction, family }): SetSpec[] => [
      { name: workloadMap(direction, family), keyType: 'ifname', flags: [], map: 'verdict' },
      { name: workloadLinkMap(direction, family), keyType: 'iface_index', flags: [], map: 'verdict' },
    ]),
    { name: workloadLinkSet, keyType: 'iface_index', flags: [] },
  ];
}

/** The chain of an endpoint's program; undefined where it has none, or is not active. */
export type ChainFor = (id: EndpointId, direction: Direction, family: Family) => string | undefined;

/**
 * The verdict maps that lead from interfaces of workloads to their programs: by name, so that an interface made anew has its
 * rules from its first packet on; and by index, so that it has them under any name that somebody gives it.
 */
export class InterfaceMaps {
  readonly #ruleset: Ruleset;
  readonly #chainFor: ChainFor;
  /** All endpoints that claim an interface, by its name; the one with the lowest name has it. */
  readonly #claims = new MultiMap<string, EndpointId>();
  /** The indexes of claimed interfaces, by the name that was claimed. */
  readonly #links = new Map<string, number>();
  /** Those that are in the maps. */
  readonly #written = new Map<string, number>();
  readonly #dirty = new Set<string>();

  /** Adds the maps to the ruleset. */
  constructor(ruleset: Ruleset, chainFor: ChainFor) {
    this.#ruleset = ruleset;
    this.#chainFor = chainFor;
    for (const spec of interfaceSets()) ruleset.addSet(spec, []);
  }

  /** The endpoint has an interface of this name. */
  claim(name: string, id: EndpointId): void {
    this.#claims.add(name, id);
    this.#dirty.add(name);
  }

  /** It has it no longer. */
  leave(name: string, id: EndpointId): void {
    this.#claims.delete(name, id);
    this.#dirty.add(name);
  }

  /** The chains of the interface's endpoint may be others now. */
  changed(name: string): void {
    this.#dirty.add(name);
  }

  /** The names that are claimed. */
  names(): Iterable<string> {
    return this.#claims.keys();
  }

  /** The index of the interface, under whatever name it has now; undefined where it is not known. */
  linkOf(name: string): number | undefined {
    return this.#links.get(name);
  }

  /**
   * There is an interface with this name and index. Where the name is claimed, its chains are the index's from now on: until the
   * interface goes, or another one has the name.
   */
  linkIs(name: string, index: number): void {
    if (!this.#claims.has(name) || this.#links.get(name) === index) return;
    this.linkGone(index);
    this.#links.set(name, index);
    this.#dirty.add(name);
  }

  /** There is no interface with this index any more. */
  linkGone(index: number): void {
    for (const [name, known] of this.#links) {
      if (known !== index) continue;
      this.#links.delete(name);
      this.#dirty.add(name);
    }
  }

  /** Brings the maps up to date. */
  write(): void {
    // An index can go from one name to another.
    for (const name of this.#dirty) this.#clearLink(name);
    for (const name of this.#dirty) this.#write(name);
    this.#dirty.clear();
  }

  #clearLink(name: string): void {
    if (!this.#claims.has(name)) this.#links.delete(name);
    const index = this.#written.get(name);
    if (index === undefined || index === this.#links.get(name)) return;
    this.#written.delete(name);
    this.#ruleset.setElement(workloadLinkSet, markKey(index), undefined);
    for (const { direction, family } of sides) {
      this.#ruleset.setElement(workloadLinkMap(direction, family), markKey(index), undefined);
    }
  }

  #write(name: string): void {
    const [id] = [...this.#claims.get(name)].sort();
    const index = this.#links.get(name);
    const key = bytesKey(interfaceNameBytes(name));
    if (index !== undefined) {
      this.#written.set(name, index);
      this.#ruleset.setElement(workloadLinkSet, markKey(index), '');
    }
    for (const { direction, family } of sides) {
      const chain = id === undefined ? undefined : this.#chainFor(id, direction, family);
      this.#ruleset.setElement(workloadMap(direction, family), key, chain);
      if (index !== undefined) this.#ruleset.setElement(workloadLinkMap(direction, family), markKey(index), chain);
    }
  }
}
