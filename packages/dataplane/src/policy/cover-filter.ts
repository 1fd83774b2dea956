import { type Cidr, PrefixTrie, printCidr } from '@calico/ip';

/** What a change of membership means for the members that are shown. */
export interface Shown {
  readonly added: readonly Cidr[];
  readonly removed: readonly Cidr[];
}

/**
 * Hides the networks that another member of the same set covers, because the kernel's interval sets refuse overlaps;
 * a hidden one is shown again when its cover goes.
 */
export class CoverFilter {
  readonly #members = new PrefixTrie<true>();
  readonly #shown = new Map<string, Cidr>();

  /** The members that are shown, none of which covers another. */
  get shown(): Iterable<Cidr> {
    return this.#shown.values();
  }

  /** Whether a member covers the network. */
  covers(net: Cidr): boolean {
    return !this.#members.covering(net)[Symbol.iterator]().next().done;
  }

  /** Adds a member that is not in the set yet. */
  add(net: Cidr): Shown {
    const covered = [...this.#members.covering(net)].length > 0;
    this.#members.set(net, true);
    if (covered) return { added: [], removed: [] };
    const removed = this.#below(net).filter(below => this.#shown.delete(printCidr(below)));
    this.#shown.set(printCidr(net), net);
    return { added: [net], removed };
  }

  /** Removes a member that is in the set. */
  delete(net: Cidr): Shown {
    this.#members.delete(net);
    if (!this.#shown.delete(printCidr(net))) return { added: [], removed: [] };
    const added: Cidr[] = [];
    let end = -1n;
    // Ordered by address, wide before narrow: what starts behind the last one's end is covered by none of them.
    for (const below of this.#below(net)) {
      if (below.addr.value <= end) continue;
      added.push(below);
      this.#shown.set(printCidr(below), below);
      end = below.addr.value + (1n << BigInt(width(below) - below.length)) - 1n;
    }
    return { added, removed: [net] };
  }

  #below(net: Cidr): Cidr[] {
    const below = [...this.#members.coveredBy(net)].map(entry => entry.cidr).filter(c => c.length > net.length);
    return below.sort((a, b) =>
      a.addr.value < b.addr.value ? -1 : a.addr.value > b.addr.value ? 1 : a.length - b.length,
    );
  }
}

function width(net: Cidr): number {
  return net.addr.family === 4 ? 32 : 128;
}
