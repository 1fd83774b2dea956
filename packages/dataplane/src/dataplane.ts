import type { Message } from '@calico/calc';
import { isAbsent, type Kernel, type KernelEvent } from '@calico/kernel';
import { AllowedSources } from './allowed-sources.ts';
import { ClusterSets } from './cluster-sets.ts';
import type { DataplaneConfig } from './dataplane-config.ts';
import { bytesKey } from './policy/address-sets.ts';
import { baseChains, baseSets } from './policy/base-chains.ts';
import { interfaceNameBytes } from './policy/expressions.ts';
import { workloadMap } from './policy/names.ts';
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
  readonly #cluster: ClusterSets;
  readonly #sources: AllowedSources;
  /** Whether the base chains let the overlay's packets in. */
  #overlay = false;
  #inSync = false;
  #forwards = false;

  constructor(kernel: Kernel, config: DataplaneConfig, options: PolicyCompilerOptions = {}) {
    this.#kernel = kernel;
    this.#config = config;
    for (const spec of baseSets()) this.#ruleset.addSet(spec, []);
    this.#cluster = new ClusterSets(this.#ruleset);
    this.#sources = new AllowedSources(this.#ruleset);
    this.#compiler = new PolicyCompiler(this.#ruleset, options);
    this.#writer = new NftablesWriter(kernel.nftables, this.#ruleset);
    this.#routing = new Routing(kernel, config);
    this.#connections = new StaleConnections(kernel.conntrack);
    this.#setBaseChains();
  }

  /** Whether the first state of the cluster has been written. */
  get inSync(): boolean {
    return this.#inSync;
  }

  /** Takes messages in; writes nothing. */
  handle(messages: readonly Message[]): void {
    for (const message of messages) {
      this.#compiler.handle(message);
      this.#routing.handle(message);
      this.#connections.handle(message);
      this.#cluster.handle(message);
      this.#sources.handle(message);
      if (message.kind === 'inSync') this.#inSync = true;
    }
  }

  /** Has the next `apply` write what follows from another configuration, rules and routes, as it does for messages. */
  reconfigure(config: DataplaneConfig): void {
    if (JSON.stringify(config) === JSON.stringify(this.#config)) return;
    this.#config = config;
    this.#routing.reconfigure(config);
    this.#setBaseChains();
  }

  /** Takes an event of the kernel in: an overrun means that anything may have changed. */
  handleEvent(event: KernelEvent): void {
    if (event.kind === 'overrun') this.#routing.resync();
    if (event.kind !== 'link') return;
    this.#routing.linkChanged(event.link);
    this.#sources.linkChanged(event.link.name);
  }

  /** Writes what has changed since the last call. KernelError when the kernel refuses; the next call tries again. */
  apply(): Applied {
    if (!this.#inSync) return { rules: 0, routes: 0 };
    this.#compiler.compile();
    if (this.#cluster.apply()) this.#setOverlay();
    const rules = this.#writer.apply();
    this.#enableForwarding();
    this.#sources.relax(this.#kernel, this.#config.sourceSpoofing === 'Any');
    const routes = this.#routing.apply();
    if (this.#connections.urgent) this.#connections.apply();
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

  #setOverlay(): void {
    const { overlay } = this.#cluster;
    if (overlay === this.#overlay) return;
    this.#overlay = overlay;
    this.#setBaseChains();
  }

  #setBaseChains(): void {
    const vxlanPort = this.#overlay ? this.#config.vxlanPort : undefined;
    for (const chain of baseChains({ ...this.#config, vxlanPort })) this.#ruleset.setChain(chain);
  }
}
