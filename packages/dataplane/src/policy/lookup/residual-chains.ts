import type { Family } from '@calico/ip';
import type { Expr } from '@calico/kernel';
import { type Direction, hasPorts } from '@calico/policy';
import type { ContentStore } from '../content-store.ts';
import * as nft from '../expressions.ts';
import { type RenderContext, renderRule } from '../render-rule.ts';
import {
  highestPort,
  type PortRegion,
  portRegions,
  portStarts,
  portsOfRule,
  protocolsOf,
  withoutHeader,
  withPort,
  withProtocol,
} from './port-regions.ts';
import {
  type Base,
  type Left,
  merged,
  type PeerRules,
  peerRules,
  type Residual,
  type ResidualRule,
  reachable,
} from './residual.ts';

/** How the rules of a policy or profile are rendered. */
export type ContextOf = (owner: string, direction: Direction, family: Family) => RenderContext;

/** The most regions of ports, and rules in them, of one chain; beyond it its rules are asked one by one. */
const regionBudget = 8_192;

/** The most lists of rules whose chains are remembered. */
const renderedMost = 16_384;

/** A chain with what it costs: rules and regions in the kernel. */
interface Made {
  readonly chain: string;
  readonly size: number;
}

/**
 * The chains that decide what is left of programs, shared by all that is equal. Many rules become a lookup of the
 * protocol, then one of the destination port, then the few rules that are left there. Where few rules are special to a
 * peer, and many hold for others too, the peer's chain holds only the ports of the special ones, and goes on to the common
 * chain.
 */
export class ResidualChains {
  readonly #store: ContentStore;
  readonly #contextOf: ContextOf;
  readonly #rulesInOrder: number;
  /** By what they were made from, each with one use of its chain. */
  readonly #made = new Map<string, Made & { uses: number }>();

  readonly #ports = new WeakMap<Base, BasePorts>();
  /** Chains of rules in order by what they were rendered from: many peers are left the same at many ports. */
  readonly #rendered = new Map<string, Made>();

  /** Up to `rulesInOrder` rules are asked one by one. */
  constructor(store: ContentStore, contextOf: ContextOf, rulesInOrder: number) {
    this.#store = store;
    this.#contextOf = contextOf;
    this.#rulesInOrder = rulesInOrder;
  }

  /** Gives the chain for the rules. Every call must be met by one `release` with the same arguments. */
  acquire(rules: PeerRules, direction: Direction, family: Family): Made {
    const key = keyOf(rules, direction, family);
    let made = this.#made.get(key);
    if (made === undefined) {
      made = { ...this.#make(rules, direction, family), uses: 0 };
      this.#made.set(key, made);
    }
    made.uses++;
    return made;
  }

  /** Ends one use. */
  release(rules: PeerRules, direction: Direction, family: Family): void {
    const key = keyOf(rules, direction, family);
    const made = this.#made.get(key);
    if (made === undefined) throw new Error(`Cannot release the chain of rules ${key}: nothing uses it`);
    made.uses--;
    if (made.uses > 0) return;
    this.#made.delete(key);
    this.#store.release(made.chain);
  }

  #make({ base, specific }: PeerRules, direction: Direction, family: Family): Made {
    if (this.#rendered.size > renderedMost) this.#rendered.clear();
    const rendering = new Rendering(
      this.#store,
      this.#contextOf,
      direction,
      family,
      this.#rulesInOrder,
      this.#rendered,
    );
    if (specific.length > 0 && base.rules.length > this.#rulesInOrder) {
      const ports = specialPorts(specific, this.#basePorts(base, family), family);
      if (ports !== undefined) {
        const common = peerRules(base, []);
        const { chain } = this.acquire(common, direction, family);
        const made = rendering.special(ports, base.ends, chain);
        this.release(common, direction, family);
        return made;
      }
    }
    return rendering.make({ rules: merged(base.rules, specific), ends: base.ends });
  }

  #basePorts(base: Base, family: Family): BasePorts {
    let ports = this.#ports.get(base);
    if (ports === undefined) {
      ports = new BasePorts(base, family);
      this.#ports.set(base, ports);
    }
    return ports;
  }
}

function keyOf({ key }: PeerRules, direction: Direction, family: Family): string {
  return `${direction}/${family} ${key}`;
}

/** What is left of the common rules for a protocol and port, cut into regions once for all peers. */
class BasePorts {
  readonly #base: Base;
  readonly #family: Family;
  readonly #byProtocol = new Map<number, readonly PortRegion[]>();

  constructor(base: Base, family: Family) {
    this.#base = base;
    this.#family = family;
  }

  /** The region that begins at the port, or before it. */
  at(protocol: number, port: number): PortRegion {
    const regions = this.#regions(protocol);
    let low = 0;
    let high = regions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((regions[middle]?.first ?? 0) <= port) low = middle;
      else high = middle - 1;
    }
    return regions[low] ?? { first: 0, last: highestPort, rules: [] };
  }

  #regions(protocol: number): readonly PortRegion[] {
    let regions = this.#byProtocol.get(protocol);
    if (regions === undefined) {
      regions = portRegions(withProtocol(this.#base.rules, protocol, this.#family), Number.MAX_SAFE_INTEGER) ?? [];
      this.#byProtocol.set(protocol, regions);
    }
    return regions;
  }
}

/** Ports of a protocol at which a peer has rules of its own, with all that is left there. */
interface SpecialPorts extends PortRegion {
  readonly protocol: number;
}

/** The most ranges of ports that a peer's chain asks one by one before it goes on to the common chain. */
const specialRanges = 16;

/** The few ports at which special rules apply, with all that is left there; undefined when they are not few. */
function specialPorts(specific: readonly ResidualRule[], base: BasePorts, family: Family): SpecialPorts[] | undefined {
  // A rule for any protocol applies everywhere.
  if (withProtocol(specific, undefined, family).length > 0) return undefined;
  const found: SpecialPorts[] = [];
  for (const protocol of protocolsOf(specific, family)) {
    const own = withProtocol(specific, protocol, family);
    if (own.length === 0) continue;
    const ranges = own.map(portsOfRule);
    if (!hasPorts(protocol) || ranges.includes(undefined)) return undefined;
    const starts = portStarts(own.map(({ rule }) => rule));
    for (const [i, start] of starts.entries()) {
      const left = withPort(own, start);
      const end = (starts[i + 1] ?? highestPort + 1) - 1;
      for (let first = start; left.length > 0 && first <= end; ) {
        const common = base.at(protocol, first);
        const last = Math.min(end, common.last);
        found.push({ protocol, first, last, rules: merged(common.rules, left) });
        if (found.length > specialRanges) return undefined;
        first = last + 1;
      }
    }
  }
  return found;
}

/** Rules on their way to chains. */
class Rendering {
  readonly #store: ContentStore;
  readonly #contextOf: ContextOf;
  readonly #direction: Direction;
  readonly #family: Family;
  readonly #rulesInOrder: number;
  readonly #rendered: Map<string, Made>;

  constructor(
    store: ContentStore,
    contextOf: ContextOf,
    direction: Direction,
    family: Family,
    rulesInOrder: number,
    rendered: Map<string, Made>,
  ) {
    this.#rendered = rendered;
    this.#store = store;
    this.#contextOf = contextOf;
    this.#direction = direction;
    this.#family = family;
    this.#rulesInOrder = rulesInOrder;
  }

  /** The chain that decides; many rules become a lookup of the protocol, then one of the port. */
  make({ rules, ends }: Left): Made {
    const named = protocolsOf(rules, this.#family);
    if (reachable({ rules, ends }).ruleCount <= this.#rulesInOrder || named.length === 0) {
      return this.#inOrder({ rules, ends });
    }
    const parts = named.map(protocol => {
      return { protocol, ...this.#byPort(protocol, { rules: withProtocol(rules, protocol, this.#family), ends }) };
    });
    const rest = this.#inOrder({ rules: withProtocol(rules, undefined, this.#family), ends });
    const entries = parts.map(({ protocol, chain }) => [String.fromCharCode(protocol), chain] as const);
    return this.#chain(
      [...parts, rest],
      [
        nft.protocolVerdict(this.#store.literal({ kind: 'verdicts', key: 'inet_proto', entries })),
        [nft.toChain('goto', rest.chain)],
      ],
    );
  }

  /** A chain for the ports at which special rules apply; all else goes on to the common chain. */
  special(ports: readonly SpecialPorts[], ends: Left['ends'], common: string): Made {
    const made = ports.map(port => ({ ...port, ...this.#inOrder({ rules: port.rules, ends }) }));
    const asked = made.map(({ protocol, first, last, chain }) => [
      ...nft.protocolIs(protocol),
      ...nft.portInRange('destination', first, last, false),
      nft.toChain('goto', chain),
    ]);
    return this.#chain(made, [...asked, [nft.toChain('goto', common)]]);
  }

  /** A chain in which the destination port is looked up, unless there are few rules or none asks for it. */
  #byPort(protocol: number, { rules, ends }: Left): Made {
    if (!hasPorts(protocol) || reachable({ rules, ends }).ruleCount <= this.#rulesInOrder) {
      return this.#inOrder({ rules, ends });
    }
    const regions = portRegions(rules, regionBudget);
    if (regions === undefined || regions.length === 1) return this.#inOrder({ rules, ends });
    const made = regions.map(region => ({ ...region, ...this.#inOrder({ rules: region.rules, ends }) }));
    const rest = this.#inOrder({ rules: withoutHeader(rules), ends });
    const entries = made.map(({ first, last, chain }) => {
      return [String.fromCharCode(first >> 8, first & 0xff, last >> 8, last & 0xff), chain] as const;
    });
    return this.#chain(
      [...made, rest],
      [
        nft.portVerdict('destination', this.#store.literal({ kind: 'verdicts', key: 'inet_service', entries })),
        [nft.toChain('goto', rest.chain)],
      ],
    );
  }

  /** A chain of the rules one after the other. */
  #inOrder(left: Left): Made {
    const residual = reachable(left);
    const key = `${this.#direction}/${this.#family} ${residual.key}`;
    const known = this.#rendered.get(key);
    if (known !== undefined && this.#store.acquireAgain(known.chain)) return known;
    const made = this.#render(residual);
    this.#rendered.set(key, made);
    return made;
  }

  #render({ stages }: Residual): Made {
    const inner: Made[] = [];
    const rules = stages.flatMap(({ rules, denies }) => {
      const rendered = rules.flatMap(({ owner, rule }) => {
        return renderRule(rule, this.#contextOf(owner, this.#direction, this.#family));
      });
      if (denies !== undefined) rendered.push([nft.countAs(denies), nft.deny()]);
      // A stage in which a rule passes needs a chain to return from.
      if (!rules.some(({ rule }) => rule.action === 'pass')) return rendered;
      const stage = this.#chain([], rendered);
      inner.push(stage);
      return [[nft.toChain('jump', stage.chain)]];
    });
    return this.#chain(inner, rules);
  }

  /** A chain that leads on to those made before, which it keeps from now on. */
  #chain(made: readonly Made[], rules: readonly (readonly Expr[])[]): Made {
    const chain = this.#store.acquire(`${this.#direction}/${this.#family}/left`, rules);
    for (const one of made) this.#store.release(one.chain);
    return { chain, size: made.reduce((sum, { size }) => sum + size, rules.length) };
  }
}
