import { IPAMConfiguration, IPPool, IPReservation, type Kind, type Resource } from '@calico/api';
import { type Client, printKey, type Reflector, type ReflectorDeps, startReflector } from '@calico/datastore';
import { type Settings, type SettingsSource, storedSettings, toSettings } from './settings.ts';

/** A view that the server has not confirmed for so long is not trusted; servers send bookmarks about every minute. */
const MAX_AGE_MS = 150_000;

/** Settings from watches, so that a call needs no reads; read anew whenever a watch is not under way. */
export function watchedSettings(client: Client, deps: ReflectorDeps): SettingsSource {
  const stored = storedSettings(client);
  let settings: Settings | undefined;
  const changed = () => {
    settings = undefined;
  };
  const pools = watchKind(client, IPPool, deps, changed);
  const configs = watchKind(client, IPAMConfiguration, deps, changed);
  const reservations = watchKind(client, IPReservation, deps, changed);
  return {
    async read() {
      if (![pools, configs, reservations].every(({ reflector }) => isCurrent(reflector))) return await stored.read();
      settings ??= toSettings([...pools.items.values()], configs.items.get('default'), [
        ...reservations.items.values(),
      ]);
      return settings;
    },
  };
}

interface Watched<R> {
  readonly items: ReadonlyMap<string, R>;
  readonly reflector: Reflector;
}

function watchKind<R extends Resource>(
  client: Client,
  kind: Kind<R>,
  deps: ReflectorDeps,
  changed: () => void,
): Watched<R> {
  const items = new Map<string, R>();
  const reflector = startReflector(
    client,
    kind,
    {
      onSync(all) {
        for (const item of all) items.set(item.metadata.name, item);
        changed();
      },
      onEvent(event) {
        if (event.type === 'set') items.set(printKey(event.key), event.object);
        else items.delete(printKey(event.key));
        changed();
      },
    },
    deps,
  );
  return { items, reflector };
}

function isCurrent(reflector: Reflector): boolean {
  return reflector.inSync && reflector.status.state === 'watching' && reflector.age() < MAX_AGE_MS;
}
