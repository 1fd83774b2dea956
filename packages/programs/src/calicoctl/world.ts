import type { BgpSessionState } from '@calico/bird';
import type { Client } from '@calico/datastore';
import type { Ipam } from '@calico/ipam';
import type { DatastoreConfig } from '../datastore/config.ts';
import type { Datastore } from '../datastore/open.ts';

/** What the daemons of this machine say. */
export interface NodeState {
  /** Whether the node agent is there. */
  readonly running: boolean;
  /** The BGP sessions; undefined when no BGP daemon is there. */
  readonly sessions: readonly BgpSession[] | undefined;
}

/** What calicoctl shows of a BGP session. */
export type BgpSession = Pick<BgpSessionState, 'name' | 'neighbourAddress' | 'state' | 'since' | 'info'>;

/** Everything that calicoctl touches outside of itself. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly commit: string;
  out(text: string): void;
  err(text: string): void;
  readStdin(): Uint8Array;
  sleep(ms: number): Promise<void>;
  /** Throws an Error that says what of the configuration cannot be used. Opens no connection. */
  openDatastore(config: DatastoreConfig): Promise<Pick<Datastore, 'type' | 'client'>>;
  openIpam(client: Client): Promise<Ipam>;
  nodeState(): Promise<NodeState>;
  /** An internal table of this machine's agent, rows as objects. Rejects with an Error in words. */
  agentTable(name: string, limit: number): Promise<object>;
  /** What an HTTP server answers in JSON. Rejects with an Error in words. */
  fetchJson(url: string): Promise<unknown>;
}
