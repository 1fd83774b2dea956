import { ipamFaults } from './ipam-faults.ts';

/** A fault that somebody could make: `find`, which stands exactly once in `file`, becomes `replace`. */
export interface Fault {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const dataplane = 'packages/dataplane/src/policy';
const calc = 'packages/calc/src';
const policy = 'packages/policy/src';

/** Faults that the tests must notice, each in a copy of the repository. */
export const faults: readonly Fault[] = [
  {
    name: 'renderer: tiers swapped',
    file: `${dataplane}/ordered-program.ts`,
    find: 'for (const tier of program.tiers) {',
    replace: 'for (const tier of [...program.tiers].reverse()) {',
  },
  {
    name: 'renderer: policies of a tier swapped',
    file: `${dataplane}/ordered-program.ts`,
    find: 'const walk = tier.policies.flatMap(',
    replace: 'const walk = [...tier.policies].reverse().flatMap(',
  },
  {
    name: 'renderer: except lost',
    file: `${dataplane}/render-rule.ts`,
    find: 'for (const match of inOrder(rule.matches)) {',
    replace: "for (const match of inOrder(rule.matches).filter(m => m.kind !== 'nets' || !m.negated)) {",
  },
  {
    name: 'renderer: source and destination address exchanged',
    file: `${dataplane}/expressions.ts`,
    find: '4: { source: { offset: 12, length: 4 }, destination: { offset: 16, length: 4 } },',
    replace: '4: { source: { offset: 16, length: 4 }, destination: { offset: 12, length: 4 } },',
  },
  {
    name: 'renderer: IPv6 destination read 8 bytes too early',
    file: `${dataplane}/expressions.ts`,
    find: 'destination: { offset: 24, length: 16 }',
    replace: 'destination: { offset: 16, length: 16 }',
  },
  {
    name: 'renderer: source port read as destination port',
    file: `${dataplane}/expressions.ts`,
    find: '{ source: 0, destination: 2 }',
    replace: '{ source: 2, destination: 0 }',
  },
  {
    name: 'renderer: range of ports ends one early',
    file: `${dataplane}/expressions.ts`,
    find: 'to: portBytes(last) },',
    replace: 'to: portBytes(last - 1) },',
  },
  {
    name: 'renderer: list of port ranges begins one late',
    file: `${dataplane}/content-store.ts`,
    find: 'bytesKey(portBytes(range.first))',
    replace: 'bytesKey(portBytes(Math.min(range.first + 1, range.last)))',
  },
  {
    name: 'renderer: pass allows',
    file: `${dataplane}/policy-compiler.ts`,
    find: "pass: nft.verdict('return'),",
    replace: "pass: nft.verdict('accept'),",
  },
  {
    name: 'renderer: default deny of a tier lost',
    file: `${dataplane}/ordered-program.ts`,
    find: 'const decided = this.#book.isDecided(tier);',
    replace: 'const decided = false;',
  },
  {
    name: 'renderer: named ports ignored',
    file: `${dataplane}/render-rule.ts`,
    find: 'const tests: ((negated: boolean) => Expr[])[] = match.sets.map(',
    replace: 'const tests: ((negated: boolean) => Expr[])[] = match.sets.slice(1).map(',
  },
  {
    name: 'renderer: negation of an address set lost',
    file: `${dataplane}/expressions.ts`,
    find: "return [loadAddress(family, side, scratch), { kind: 'lookup', set, sreg: scratch, inverted: negated }];",
    replace: "return [loadAddress(family, side, scratch), { kind: 'lookup', set, sreg: scratch, inverted: false }];",
  },
  {
    name: 'renderer: networks of an address set ignored',
    file: `${dataplane}/render-rule.ts`,
    find: 'if (!hasNets(match.set)) return',
    replace: 'if (hasNets(match.set) || !hasNets(match.set)) return',
  },
  {
    name: "renderer: rule's IP version ignored",
    file: `${dataplane}/render-rule.ts`,
    find: 'if (rule.ipVersion !== undefined && rule.ipVersion !== context.family) return [];',
    replace: '',
  },
  {
    name: 'renderer: list of nets of the other family holds for all',
    file: `${dataplane}/render-rule.ts`,
    find: 'if (first === undefined) return match.negated ? [[]] : [];',
    replace: 'if (first === undefined) return [[]];',
  },
  {
    name: 'renderer: overlapping network shown twice',
    file: `${dataplane}/cover-filter.ts`,
    find: 'if (covered) return { added: [], removed: [] };',
    replace: '',
  },
  {
    name: 'renderer: staged policy enforced',
    file: `${dataplane}/ordered-program.ts`,
    find: 'if (this.#book.isStaged(id)) return [];',
    replace: '',
  },
  {
    name: 'lookups: a rule that passes ends the program',
    file: `${dataplane}/lookup/residual.ts`,
    find: 'if (!passes && (decided || end !== undefined)) break;',
    replace: 'if (decided || end !== undefined) break;',
  },
  {
    name: 'lookups: a staged policy is enforced',
    file: `${dataplane}/rule-book.ts`,
    find: 'this.isStaged(id) ? [] : this.#flatRules(id, direction, family, netsBy)',
    replace: 'this.#flatRules(id, direction, family, netsBy)',
  },
  {
    name: 'lookups: negation of what the peer is in lost',
    file: `${dataplane}/lookup/flat-rule.ts`,
    find: 'peer.sets.has(set) === negated',
    replace: '!peer.sets.has(set)',
  },
  {
    name: 'lookups: a port of the peer counts for every protocol',
    file: `${dataplane}/lookup/flat-rule.ts`,
    find: 'ports.filter(port => port.protocol === protocol)',
    replace: 'ports',
  },
  {
    name: 'lookups: named ports bound to the numbers beside them',
    file: `${dataplane}/lookup/flat-rule.ts`,
    find: 'ranges: [...match.ranges, ...named]',
    replace: 'ranges: [...match.ranges]',
  },
  {
    name: 'lookups: a network ends one address late',
    file: `${dataplane}/lookup/net-classes.ts`,
    find: 'const behind = lastAddr(net).value + 1n;',
    replace: 'const behind = lastAddr(net).value + 2n;',
  },
  {
    name: 'lookups: an address stays in sets that it has left',
    file: `${dataplane}/lookup/identities.ts`,
    find: 'else facts.delete(fact);',
    replace: '',
  },
  {
    name: 'lookups: a range of ports ends one late',
    file: `${dataplane}/lookup/port-regions.ts`,
    find: 'append(ending, last + 1, inside as ResidualRule);',
    replace: 'append(ending, last + 2, inside as ResidualRule);',
  },
  {
    name: "lookups: common rules lost at a peer's own ports",
    file: `${dataplane}/lookup/residual-chains.ts`,
    find: 'rules: merged(common.rules, left)',
    replace: 'rules: left',
  },
  {
    name: 'lookups: networks of sets are asked no more after a change',
    file: `${dataplane}/lookup/peer-lookups.ts`,
    find: "if (part === 'nets') for (const program of programs) this.#dirty.add(program);",
    replace: "if (part === 'nets') return;",
  },
  {
    name: 'base chains: new connections pass as established',
    file: `${dataplane}/base-chains.ts`,
    find: "nft.conntrackStateIn('established', 'related')",
    replace: "nft.conntrackStateIn('established', 'related', 'new')",
  },
  {
    name: 'base chains: unknown workload interfaces pass',
    file: `${dataplane}/base-chains.ts`,
    find: '...ask(side, workloadLinkMap), [nft.deny()]];',
    replace: '...ask(side, workloadLinkMap)];',
  },
  {
    name: 'writer: members that left stay',
    file: `${dataplane}/nftables-writer.ts`,
    find: 'return gone.length > 0 ? [',
    replace: 'return gone.length > 1e9 ? [',
  },
  {
    name: 'writer: packets are led to new chains in the transaction that makes them',
    file: `${dataplane}/nftables-writer.ts`,
    find: "groups.during.push(...inPhase(name, 'during'))",
    replace: "groups.before.push(...inPhase(name, 'during'))",
  },
  {
    name: 'compiler: rules ask for no networks that came later',
    file: `${dataplane}/policy-compiler.ts`,
    find: 'for (const owner of this.#book.setChanged(set)) this.#markPrograms(owner);',
    replace: '',
  },
  {
    name: 'dataplane: connections of a removed pod live on',
    file: 'packages/dataplane/src/stale-connections.ts',
    find: 'this.#conntrack.deleteByAddresses([...this.#lost.values()].map(loss => loss.address));',
    replace: '',
  },
  {
    name: 'dataplane: a connection that was cut is followed on',
    file: `${dataplane}/base-chains.ts`,
    find: "[cutEnds(), followedPass(), ...leading('iif', chainOf.from, config)]",
    replace: "[followedPass(), ...leading('iif', chainOf.from, config)]",
  },
  {
    name: 'base chains: a renamed workload interface is none any more',
    file: `${dataplane}/base-chains.ts`,
    find: '[...nft.interfaceInSet(side, workloadLinkSet), there],',
    replace: '',
  },
  {
    name: 'dataplane: a connection that was cut is forgotten while its other end denies it',
    file: 'packages/dataplane/src/live-connections.ts',
    find: '(connection.fixedTimeout || held.get(id)?.has(direction) === true)',
    replace: 'held.get(id)?.has(direction) === true',
  },
  {
    name: 'dataplane: pods get the source addresses that they ask for unasked',
    file: `${dataplane}/base-chains.ts`,
    find: "if (config.sourceSpoofing === 'Any') {",
    replace: "if (config.sourceSpoofing !== 'any') {",
  },
  {
    name: 'calc: except of an ipBlock lost',
    file: `${calc}/translate-rule.ts`,
    find: 'if (entity.notNets !== undefined && entity.notNets.length > 0) {',
    replace: 'if (entity.notNets !== undefined && entity.notNets.length > 9) {',
  },
  {
    name: 'calc: source of a rule taken as its destination',
    file: `${calc}/translate-rule.ts`,
    find: "pushEntity(matches, rule.source, 'source', protocol, context)",
    replace: "pushEntity(matches, rule.source, 'destination', protocol, context)",
  },
  {
    name: 'calc: notSelector lost',
    file: `${calc}/translate-rule.ts`,
    find: 'if (negative !== undefined) matches.push(setMatch(negative, side, true, context));',
    replace: '',
  },
  {
    name: 'evaluator: a policy that passes ends its tier as allowed',
    file: `${policy}/evaluate.ts`,
    find: "if (step.outcome !== 'none') return step.outcome;",
    replace: "if (step.outcome !== 'none') return step.outcome === 'pass' ? 'allow' : step.outcome;",
  },
  {
    name: 'evaluator: last port of a range left out',
    file: `${policy}/match.ts`,
    find: 'range.first <= port && port <= range.last',
    replace: 'range.first <= port && port < range.last',
  },
  ...ipamFaults,
];
