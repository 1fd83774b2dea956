import { type Kind, kinds } from '@calico/api';
import type { Admission } from './admission.ts';
import { builtInAdmissions } from './admissions.ts';
import { createAuthenticator, type Token } from './auth.ts';
import { ensureBuiltInObjects } from './built-in-objects.ts';
import { Controllers } from './controllers.ts';
import { loadCel } from './custom-resources/cel/load.ts';
import { hasStoredCelRules, storedCustomKinds } from './custom-resources/definition-controller.ts';
import { CustomResourceDefinition, DEFINITIONS, definedResource } from './custom-resources/definition-kind.ts';
import { createHandler, type ServerLog } from './handler.ts';
import { KindRegistry } from './kind-registry.ts';
import { type ListenAddress, listen, type TlsOptions } from './listener.ts';
import { DEFAULT_SERVICE_CIDR, serviceAddresses } from './service-addresses.ts';
import { Store } from './store.ts';
import { type ServerClock, WatchHub } from './watch.ts';
import { Writer } from './writer.ts';

/** What a server is started with. */
export interface ApiServerOptions {
  /** SQLite file, or `:memory:`. */
  readonly storePath: string;
  /** `full` (default) survives power cuts, `normal` only the death of the process. */
  readonly synchronous?: 'full' | 'normal';
  /** Changes kept for watches before compaction; 10,000 unless told. */
  readonly historyLimit?: number;
  readonly listen: readonly ListenAddress[];
  /** Absent: plain HTTP, for tests only. */
  readonly tls?: TlsOptions;
  readonly tokens: readonly Token[];
  readonly clock: ServerClock;
  readonly log: ServerLog;
  /** All served kinds of `@calico/api` unless told. */
  readonly kinds?: readonly Kind[];
  /** Where cluster IPs come from, 10.96.0.0/16 unless told; IPv4, /8 to /29. */
  readonly serviceCidr?: string;
  /** Further rules about writes, after the built-in ones. */
  readonly admissions?: readonly Admission[];
}

/** A running server. */
export interface ApiServer {
  /** Base URLs of the TCP sockets, in the order asked for. */
  readonly urls: readonly string[];
  /** Forgets history but the newest `keep` changes; watches further back get 410. */
  compact(keep: number): void;
  /** Ends watches, lets writes in flight complete, closes sockets and store. */
  stop(): Promise<void>;
}

const STOP_GRACE_MS = 5_000;
/** Of generated names: no vowels and nothing that looks alike, so that no words appear. */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

function nameSuffix(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(5)), n => SUFFIX_LETTERS[n % SUFFIX_LETTERS.length]).join('');
}

/**
 * Starts the embedded API server; resolves once the built-in objects exist and every address is open. Rejects with an
 * Error that names the store or the address that could not be opened.
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { clock, log } = options;
  const addresses = serviceAddresses(options.serviceCidr ?? DEFAULT_SERVICE_CIDR);
  const own = [...(options.kinds ?? kinds), CustomResourceDefinition];
  const registry = new KindRegistry(own.filter(kind => kind.served));
  const store = new Store({
    path: options.storePath,
    synchronous: options.synchronous ?? 'full',
    ...(options.historyLimit === undefined ? {} : { historyLimit: options.historyLimit }),
  });
  if (hasStoredCelRules(store)) await loadCel();
  registry.setCustom(storedCustomKinds(store));
  // Before any watcher or answer: who sees a definition can use its kind.
  store.onCommit(events => {
    if (events.some(event => event.entry.resource === DEFINITIONS)) registry.setCustom(storedCustomKinds(store));
  });
  const writer = new Writer(store, {
    admissions: [...builtInAdmissions, addresses, ...(options.admissions ?? [])],
    wallTime: () => clock.wallTime(),
    newUid: () => crypto.randomUUID(),
    nameSuffix,
  });
  const watches = new WatchHub(store, clock);
  store.onCommit(events => {
    for (const { type, entry } of events) {
      if (type === 'DELETED' && entry.resource === DEFINITIONS) watches.end(definedResource(entry.name));
    }
  });
  const controllers = new Controllers(store, writer, registry, log);
  try {
    await ensureBuiltInObjects(writer, registry);
    await controllers.start();
    const backend = { store, registry, writer, watches, clock };
    const handler = createHandler(backend, createAuthenticator(options.tokens), log);
    const listener = await listen(options.listen, options.tls, handler);
    return {
      urls: listener.urls,
      compact: keep => store.compact(keep),
      stop: async () => {
        watches.close();
        await listener.close(STOP_GRACE_MS);
        await controllers.stop();
        store.close();
      },
    };
  } catch (cause) {
    watches.close();
    await controllers.stop();
    store.close();
    throw cause;
  }
}
