import type { BGPConfiguration, BGPPeer, BlockAffinity, CalicoNode, IPPool, ResourceUpdate } from '@calico/api';
import { parseAddr, printAddr } from '@calico/ip';
import { birdConfig } from './bird-config.ts';
import { viewCluster } from './cluster-view.ts';
import { renderConfig } from './render/render-config.ts';
import { type PasswordLookup, type ResolvedSessions, resolveSessions } from './resolve-sessions.ts';
import type { Session } from './session.ts';

export interface BgpModelOptions {
  readonly nodeName: string;
  /** An IPv4 address in place of the node's own (CALICO_ROUTER_ID); needed on nodes that have none. */
  readonly routerId?: string;
  /** Passwords of sessions; none are known without it. */
  readonly password?: PasswordLookup;
}

interface Result extends ResolvedSessions {
  readonly text: string | undefined;
}

/** What the model holds, by kind and name. */
class Objects {
  readonly CalicoNode = new Map<string, CalicoNode>();
  readonly BGPConfiguration = new Map<string, BGPConfiguration>();
  readonly BGPPeer = new Map<string, BGPPeer>();
  readonly IPPool = new Map<string, IPPool>();
  readonly BlockAffinity = new Map<string, BlockAffinity>();
}

function isHeld(kind: string): kind is keyof Objects {
  return ['CalicoNode', 'BGPConfiguration', 'BGPPeer', 'IPPool', 'BlockAffinity'].includes(kind);
}

/**
 * The cluster's objects in, BIRD's configuration for one node out. What comes out depends on the present objects only,
 * never on the order in which they came. Pure.
 */
export class BgpModel {
  readonly #options: BgpModelOptions;
  readonly #objects = new Objects();
  #result: Result = { text: undefined, sessions: [], problems: [] };
  #changed = true;

  constructor(options: BgpModelOptions) {
    this.#options = options;
  }

  /** Takes in one object's state; kinds that BGP does not read are ignored. */
  update({ kind, name, resource }: ResourceUpdate): void {
    if (!isHeld(kind)) return;
    // Updates of a kind carry its own type: a syncer's promise that ResourceUpdate cannot say.
    const objects: Map<string, unknown> = this.#objects[kind];
    if (resource === undefined) objects.delete(name);
    else objects.set(name, resource);
    this.#changed = true;
  }

  /** Passwords may have changed: the next answers look them up anew. */
  refresh(): void {
    this.#changed = true;
  }

  /** bird.cfg; undefined while the node, its address or its router id is not known. */
  render(): string | undefined {
    return this.#current().text;
  }

  /** The sessions of the configuration, by name. */
  sessions(): readonly Session[] {
    return this.#current().sessions;
  }

  /** What was asked for and is not in the configuration, one sentence each. */
  problems(): readonly string[] {
    return this.#current().problems;
  }

  #current(): Result {
    if (this.#changed) {
      this.#result = this.#compute();
      this.#changed = false;
    }
    return this.#result;
  }

  #compute(): Result {
    const { nodeName, password = () => undefined } = this.#options;
    const view = viewCluster(nodeName, this.#objects);
    const nothing = { text: undefined, sessions: [], problems: [] };
    if (view === undefined) return nothing;
    if (Object.keys(view.own.addresses).length === 0) return nothing;
    const routerId = this.#options.routerId ?? view.own.addresses[4];
    const id = parseAddr(routerId ?? '');
    if (id?.family !== 4) {
      const given = JSON.stringify(routerId ?? 'absent');
      return { ...nothing, problems: [`Cannot configure BGP: router id is ${given}; allowed: an IPv4 address`] };
    }
    const resolved = resolveSessions(view, password);
    return { text: renderConfig(birdConfig(view, resolved.sessions, printAddr(id))), ...resolved };
  }
}
