import type { Message } from '@calico/calc';
import { isAbsent, type Kernel, type KernelEvent } from '@calico/kernel';
import { finished } from '@calico/reconcile';
import { AllowedSources } from './allowed-sources.ts';
import { ClusterSets } from './cluster-sets.ts';
import type { DataplaneConfig } from './dataplane-config.ts';
import { LiveConnections } from './live-connections.ts';
import { bytesKey } from './policy/address-sets.ts';
import { baseChains, baseSets } from './policy/base-chains.ts';
import { interfaceNameBytes } from './policy/expressions.ts';
import { FloatingIps } from './policy/floating-ips.ts';
import { isLookupMap, tableName, workloadMap } from './policy/names.ts';
import { NftablesWriter } from './policy/nftables-writer.ts';
import { PolicyCompiler, type PolicyCompilerOptions } from './policy/policy-compiler.ts';
import { Ruleset } from './policy/ruleset.ts';
import { Routing } from './routing/routing.ts';
import { StaleConnections } from './stale-connections.ts';
import type { DataplaneTables } from './tables.ts';

const families = [4, 6] as const;
const workloadMaps = families.flatMap(family => [workloadMap('ingress', family), workloadMap('egress', family)]);

/** What one `apply` did. */
export interface Applied {
  /** Operations on our nftables table. */
  readonly rules: number;
  /** Routes written or removed. */
  readonly routes: number;
}

/** How rules are compiled and written, for tests and measurements. */
export interface DataplaneOptions extends PolicyCompilerOptions {
  /** Largest batch in bytes of what can be cut. */
  readonly batchLimit?: number;
}

type LinkEvent = Extract<KernelEvent, { kind: 'link' | 'overrun' }>;

/**
 * The kernel of one node, kept as the messages of the calculation say. `handle` only remembers; `apply` writes, rules
 * before routes, so that no packet arrives unprotected. Nothing is written before the message `inSync`: until then
 * whatever an earlier run left behind stays in force.
 */
export class Dataplane {
  readonly #kernel: Kernel;
  #config: DataplaneConfig;
  readonly #ruleset = new Ruleset();
  readonly #compiler: PolicyCompiler;
  readonly #writer: NftablesWriter;
  readonly #routing: Routing;
  readonly #connections: StaleConnections;
  readonly #live: LiveConnections;
  readonly #cluster: ClusterSets;
  readonly #sources: AllowedSources;
  readonly #floating: FloatingIps;
  /** Whether the base chains let the overlay's packets in. */
  #overlay = false;
  /** Messages, changed interfaces, and a configuration, that the next `apply` takes in. */
  #waiting: Message[] = [];
  #links: LinkEvent[] = [];
  #nextConfig: DataplaneConfig | undefined;
  #applying = false;
  #inSync = false;
  #forwards = false;

  constructor(kernel: Kernel, config: DataplaneConfig, options: DataplaneOptions = {}) {
    this.#kernel = kernel;
    this.#config = config;
    for (const spec of baseSets()) this.#ruleset.addSet(spec, []);
    this.#cluster = new ClusterSets(this.#ruleset);
    this.#sources = new AllowedSources(this.#ruleset);
    this.#compiler = new PolicyCompiler(this.#ruleset, options);
    this.#writer = new NftablesWriter(kernel.nftables, this.#ruleset, options.batchLimit);
    this.#routing = new Routing(kernel, config, name => {
      const index = this.#compiler.interfaces.linkOf(name);
      return kernel.link(name) ?? (index === undefined ? undefined : kernel.link(index));
    });
    this.#floating = new FloatingIps(this.#ruleset, cidr => this.#routing.isTaken(cidr));
    this.#connections = new StaleConnections(kernel.conntrack);
    this.#live = new LiveConnections(kernel, this.#compiler.world, config.cutLiveConnections);
    this.#setBaseChains();
  }

  /** Whether the first state of the cluster has been written. */
  get inSync(): boolean {
    return this.#inSync;
  }

  /** Whether an `apply` is under way. */
  get applying(): boolean {
    return this.#applying;
  }

  /** Takes the messages of whole flushes in, also while an `apply` is under way: the next one begins with them. */
  handle(messages: readonly Message[]): void {
    for (const message of messages) this.#waiting.push(message);
  }

  /** Has the next `apply` write what follows from another configuration, rules and routes, as it does for messages. */
  reconfigure(config: DataplaneConfig): void {
    this.#nextConfig = config;
  }

  /** Takes an event of the kernel in: an overrun means that anything may have changed. */
  handleEvent(event: KernelEvent): void {
    if (event.kind === 'overrun') this.#routing.resync();
    if (event.kind !== 'link' && event.kind !== 'overrun') return;
    this.#links.push(event);
    if (event.kind !== 'link') return;
    this.#routing.linkChanged(event.link);
    this.#sources.linkChanged(event.link.name);
  }

  /** All steps of `applyInSteps` at once. */
  apply(): Applied {
    return finished(this.applyInSteps());
  }

  /**
   * Writes what has changed since the last call, in steps of a few milliseconds at most. One `apply` at a time. KernelError
   * when the kernel refuses; the next call tries again.
   */
  *applyInSteps(): Generator<void, Applied> {
    if (this.#applying) throw new Error('Cannot apply: the apply before this one is not finished');
    this.#applying = true;
    try {
      return yield* this.#apply();
    } finally {
      this.#applying = false;
    }
  }

  *#apply(): Generator<void, Applied> {
    this.#takeConfig();
    yield* this.#takeWaiting();
    this.#takeLinks();
    if (!this.#inSync) return { rules: 0, routes: 0 };
    let stage = yield* this.#compiler.compileInSteps();
    let rules = 0;
    if (stage === 'refined') {
      rules += yield* this.#writer.applyInSteps(isLookupMap);
      stage = yield* this.#compiler.compileInSteps();
    }
    if (this.#cluster.apply()) this.#setOverlay();
    this.#floating.apply();
    rules += yield* this.#writer.applyInSteps();
    this.#enableForwarding();
    this.#sources.relax(this.#kernel, this.#config.sourceSpoofing === 'Any');
    const routes = yield* this.#routing.applyInSteps();
    if (this.#connections.urgent) this.#connections.apply();
    while (stage !== 'settled') {
      stage = yield* this.#compiler.compileInSteps();
      rules += yield* this.#writer.applyInSteps();
    }
    return { rules, routes };
  }

  /** How many sets of policies are asked rule by rule, because their lookups would take more than the budget. */
  get programsOverBudget(): number {
    return this.#compiler.programsOverBudget;
  }

  /** What has been made of the messages: for tables and metrics. */
  get tables(): DataplaneTables {
    const ruleset = this.#ruleset;
    return {
      programs: () => this.#compiler.programs(),
      routes: () => this.#routing.routes(),
      *chains() {
        for (const [name, { spec, rules }] of ruleset.chains) {
          yield { name, hooked: spec.hook !== undefined, rules: rules.length };
        }
      },
      *sets() {
        for (const [name, { spec, elements }] of ruleset.sets) {
          yield { name, map: spec.map !== undefined, elements: elements.size };
        }
      },
    };
  }

  /** Whether `forgetConnections` has something to do, now that the rules are written. */
  get hasStaleConnections(): boolean {
    return this.#inSync && this.#connections.pending;
  }

  /**
   * Forgets the tracked connections of addresses that have gone. Apart from `apply`, because the kernel walks its whole
   * table for it (8 ms): to be called now and then, while nobody waits. `apply` does it at once for an address that has a
   * new owner. KernelError when the kernel refuses; the next call tries again.
   */
  forgetConnections(): void {
    this.#connections.apply();
  }

  /** Whether `cutConnections` has something to judge, now that the rules are written. */
  get hasConnectionsToJudge(): boolean {
    return this.#inSync && !this.#applying && this.#live.pending;
  }

  /**
   * Ends live connections that policy no longer allows, where a policy or the configuration asks for it, in pieces; gives how
   * many. To be gone through to the end, with no step while an `apply` is under way. KernelError when the kernel refuses; the next run judges them again.
   */
  cutConnections(): Generator<void, number> {
    return this.#live.judge();
  }

  /**
   * Why the rules of a workload's interface are not in force, in words; undefined when they are. Asks the kernel, so it
   * also finds what somebody else has taken away. KernelError when the kernel cannot be asked.
   */
  interfaceProblem(name: string): string | undefined {
    if (!this.#inSync) return 'the whole cluster has not been seen yet';
    return this.#writer.missingElement(workloadMaps, bytesKey(interfaceNameBytes(name)))
      ? `the rules of interface ${name} are not in the kernel`
      : undefined;
  }

  /**
   * Compares everything, or a part of it, with the kernel, in steps of a few milliseconds at most, between which changes are applied as
   * always; no step while an `apply` is under way. Gives how many objects were other than we knew: the next `apply` mends
   * them. KernelError when the kernel cannot be asked.
   */
  *resyncInSteps(what: 'all' | 'rules' | 'routes' = 'all'): Generator<void, number> {
    this.#forwards = false;
    const rules = what === 'routes' ? 0 : yield* this.#writer.resyncInSteps();
    return what === 'rules' ? rules : rules + (yield* this.#routing.resyncInSteps());
  }

  /**
   * Whether the kernel drops all packets of a workload's interface, because it has no rules for it. Of a table that is being
   * written for the first time it is not asked whether packets meet it yet. KernelError when the kernel cannot be asked.
   */
  isClosed(name: string): boolean {
    const key = bytesKey(interfaceNameBytes(name));
    const leads = (map: string) => {
      try {
        return this.#writer.hasElement(map, key);
      } catch (error) {
        // The table of a version that had no such map.
        if (!isAbsent(error)) throw error;
        return false;
      }
    };
    return this.#kernel.nftables.tables().some(table => table.name === tableName) && !workloadMaps.some(leads);
  }

  /** Has the next `apply` compare everything, or a part of it, with the kernel. */
  resync(what: 'all' | 'rules' | 'routes' = 'all'): void {
    this.#forwards = false;
    if (what !== 'routes') this.#writer.resync();
    if (what !== 'rules') this.#routing.resync();
  }

  /** Without forwarding no pod reaches another: Felix's IPForwarding. A kernel without IPv6 has nothing to forward there. */
  #enableForwarding(): void {
    if (this.#forwards || !this.#config.ipForwarding) return;
    this.#kernel.setSysctl('net/ipv4/ip_forward', '1');
    try {
      this.#kernel.setSysctl('net/ipv6/conf/all/forwarding', '1');
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    this.#forwards = true;
  }

  #takeConfig(): void {
    const config = this.#nextConfig;
    this.#nextConfig = undefined;
    if (config === undefined || JSON.stringify(config) === JSON.stringify(this.#config)) return;
    this.#config = config;
    this.#routing.reconfigure(config);
    this.#live.setEverywhere(config.cutLiveConnections);
    this.#setBaseChains();
  }

  *#takeWaiting(): Generator<void, void> {
    const messages = this.#waiting;
    this.#waiting = [];
    let taken = 0;
    try {
      for (const message of messages) {
        taken++;
        for (const piece of smallMessages(message)) {
          this.#take(piece);
          yield;
        }
      }
    } finally {
      // One that is wrong keeps no other from being taken in by the next call.
      if (taken < messages.length) this.#waiting = [...messages.slice(taken), ...this.#waiting];
    }
  }

  #take(message: Message): void {
    this.#compiler.handle(message);
    this.#routing.handle(message);
    this.#connections.handle(message);
    this.#live.handle(message);
    this.#cluster.handle(message);
    this.#sources.handle(message);
    this.#floating.handle(message);
    const { interfaces } = this.#compiler;
    if (message.kind === 'endpointUpdate' && interfaces.linkOf(message.endpoint.name) === undefined) {
      this.#findLink(message.endpoint.name);
    }
    if (message.kind === 'inSync') this.#inSync = true;
  }

  #findLink(name: string): void {
    const link = this.#kernel.link(name);
    if (link !== undefined) this.#compiler.interfaces.linkIs(name, link.index);
  }

  #takeLinks(): void {
    const { interfaces } = this.#compiler;
    for (const event of this.#links) {
      if (event.kind === 'overrun') for (const name of interfaces.names()) this.#findLink(name);
      else if (event.change === 'new') interfaces.linkIs(event.link.name, event.link.index);
      else interfaces.linkGone(event.link.index);
    }
    this.#links = [];
  }

  #setOverlay(): void {
    const { overlay } = this.#cluster;
    if (overlay === this.#overlay) return;
    this.#overlay = overlay;
    this.#setBaseChains();
  }

  #setBaseChains(): void {
    this.#floating.setEnabled(this.#config.floatingIps);
    const vxlanPort = this.#overlay ? this.#config.vxlanPort : undefined;
    for (const chain of baseChains({ ...this.#config, vxlanPort })) this.#ruleset.setChain(chain);
  }
}

/** So many members of a set are taken in at once. */
const membersAtOnce = 256;

/** The message as several that take a few milliseconds at most, one after the other. */
function* smallMessages(message: Message): Generator<Message> {
  if (message.kind === 'ipSetUpdate' && message.members.length > membersAtOnce) {
    const { id, members } = message;
    yield { ...message, members: members.slice(0, membersAtOnce) };
    for (let at = membersAtOnce; at < members.length; at += membersAtOnce) {
      yield { kind: 'ipSetDelta', id, added: members.slice(at, at + membersAtOnce), removed: [] };
    }
  } else if (message.kind === 'ipSetDelta' && message.added.length + message.removed.length > membersAtOnce) {
    const { id, added, removed } = message;
    // Deletions first, as within one message.
    for (let at = 0; at < removed.length; at += membersAtOnce) {
      yield { kind: 'ipSetDelta', id, added: [], removed: removed.slice(at, at + membersAtOnce) };
    }
    for (let at = 0; at < added.length; at += membersAtOnce) {
      yield { kind: 'ipSetDelta', id, added: added.slice(at, at + membersAtOnce), removed: [] };
    }
  } else yield message;
}
