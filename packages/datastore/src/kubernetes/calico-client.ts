import { type FieldError, type Kind, printFieldError, type Resource } from '@calico/api';
import { backoff, type Clock, type Random } from '@calico/reconcile';
import {
  type Client,
  type DeleteOptions,
  keyOf,
  type ListResult,
  type ObjectKey,
  type PatchOptions,
  type Selection,
  type TakePage,
  type WatchOptions,
  type WatchStream,
} from '../client.ts';
import { DatastoreError, isConflict, isNotFound, printResource } from '../error.ts';
import { applyPatch, PatchError } from '../memory/patch.ts';
import type { Write, WriteRule } from '../write-rules.ts';
import { apiGroupFromEnvironment, type CalicoApiGroup, discoverApiGroup } from './api-group.ts';
import { type KubernetesClientOptions, kubernetesClient } from './client.ts';
import type { KubernetesConfig } from './config.ts';
import { crdForm } from './crd-form.ts';
import { withForgottenManagers } from './forgotten-managers.ts';
import { type GroupForm, nativeForm, oldPolicyName } from './group-form.ts';
import { MappedWatch } from './mapped-watch.ts';
import { selectedEvents, splitSelection } from './selection.ts';
import { processClock, processRandom } from './system-time.ts';
import { Transport } from './transport.ts';

/** What a calicoClient can be told beside the server. */
export interface CalicoClientOptions extends KubernetesClientOptions {
  /** The API group of Calico's kinds; else $CALICO_API_GROUP, else what the server has. */
  readonly apiGroup?: CalicoApiGroup;
  /** What has to hold for writes of Calico's kinds beside the objects themselves, such as calicoWriteRules; nothing. */
  readonly rules?: readonly WriteRule[];
  /** The environment; the process's own when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const FORMS: Readonly<Record<CalicoApiGroup, GroupForm>> = {
  'projectcalico.org/v3': nativeForm,
  'crd.projectcalico.org/v1': crdForm,
};

/** A patch is tried anew so often when others change the object meanwhile, after growing pauses in ms. */
const PATCH_TRIES = 20;
const PATCH_DELAYS = { base: 2, max: 200 };

/** Calico's kinds over a client of plain Kubernetes objects; other kinds go through as they are. */
class CalicoClient implements Client {
  readonly #rest: Client;
  readonly #form: () => Promise<GroupForm>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #rules: ReadonlyMap<string, WriteRule>;

  constructor(
    rest: Client,
    form: () => Promise<GroupForm>,
    { clock = processClock, random = processRandom, rules = [] }: CalicoClientOptions,
  ) {
    this.#rest = rest;
    this.#form = form;
    this.#clock = clock;
    this.#random = random;
    this.#rules = new Map(rules.map(rule => [rule.kind.kind, rule]));
  }

  async apiGroup(): Promise<CalicoApiGroup> {
    return (await this.#form()).apiGroup;
  }

  async get<R extends Resource>(kind: Kind<R>, key: ObjectKey): Promise<R> {
    if (!isCalico(kind)) return this.#rest.get(kind, key);
    const form = await this.#form();
    return this.#named(form, kind, key, async stored =>
      form.fromStored(kind, await this.#rest.get(form.storedKind(kind), stored)),
    );
  }

  async list<R extends Resource>(kind: Kind<R>, selection: Selection = {}): Promise<ListResult<R>> {
    if (!isCalico(kind)) return this.#rest.list(kind, selection);
    const form = await this.#form();
    const { server, matches } = splitSelection(form, kind, 'list', selection);
    const { items, resourceVersion } = await this.#rest.list(form.storedKind(kind), server);
    return { items: readStored(form, kind, items, matches), resourceVersion };
  }

  async listPages<R extends Resource>(kind: Kind<R>, selection: Selection, take: TakePage<R>): Promise<string> {
    if (!isCalico(kind)) return this.#rest.listPages(kind, selection, take);
    const form = await this.#form();
    const { server, matches } = splitSelection(form, kind, 'list', selection);
    return await this.#rest.listPages(form.storedKind(kind), server, (items, first) =>
      take(readStored(form, kind, items, matches), first),
    );
  }

  async create<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    if (!isCalico(kind)) return this.#rest.create(kind, resource);
    const form = await this.#form();
    const object = prepare('create', kind, resource);
    await this.#check(kind, { op: 'create', object, old: undefined, deletes: false });
    // Calico's own programs count on it being in the annotation.
    const creationTimestamp = `${new Date(this.#clock.wallTime()).toISOString().slice(0, 19)}Z`;
    const made = { ...object, metadata: { creationTimestamp, ...object.metadata } };
    const stored = form.toStored(kind, made, made.metadata.name);
    return form.fromStored(kind, await this.#rest.create(form.storedKind(kind), stored));
  }

  async update<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    if (!isCalico(kind)) return this.#rest.update(kind, resource);
    const object = prepare('update', kind, resource);
    await this.#check(kind, { op: 'update', object, old: undefined, deletes: false });
    return this.#replace(kind, object, 'update');
  }

  async updateStatus<R extends Resource>(kind: Kind<R>, resource: R): Promise<R> {
    if (!isCalico(kind)) return this.#rest.updateStatus(kind, resource);
    // The rest of the object is not looked at by the server.
    refuseFaults('updateStatus', kind, resource, path => path.startsWith('status'));
    return this.#replace(kind, resource, 'updateStatus');
  }

  /**
   * Patches Calico's kinds here, by compare-and-swap: the server does not know the rules that the result has to keep, nor,
   * in the v1 group, where the metadata is.
   */
  async patch<R extends Resource>(kind: Kind<R>, key: ObjectKey, patch: unknown, options: PatchOptions): Promise<R> {
    if (!isCalico(kind)) return this.#rest.patch(kind, key, patch, options);
    const delays = backoff(PATCH_DELAYS, this.#random);
    for (let tries = 1; ; tries++) {
      const old = await this.get(kind, key);
      const next = patched(kind, old, patch, options);
      await this.#check(kind, { op: 'patch', object: next, old, deletes: false });
      try {
        return await this.#replace(kind, next, options.subresource === 'status' ? 'updateStatus' : 'update');
      } catch (err) {
        if (!isConflict(err) || tries === PATCH_TRIES) throw err;
        await this.#clock.sleep(delays.next());
      }
    }
  }

  async delete<R extends Resource>(kind: Kind<R>, key: ObjectKey, options?: DeleteOptions): Promise<void> {
    if (!isCalico(kind)) return this.#rest.delete(kind, key, options);
    const form = await this.#form();
    if (this.#rules.get(kind.kind)?.deletes === true) {
      const object = await this.get(kind, key);
      await this.#check(kind, { op: 'delete', object, old: object, deletes: true });
    }
    const preconditions = options && form.toStoredOptions(options);
    await this.#named(form, kind, key, stored => this.#rest.delete(form.storedKind(kind), stored, preconditions));
  }

  watch<R extends Resource>(kind: Kind<R>, options: WatchOptions): WatchStream<R> {
    if (!isCalico(kind)) return this.#rest.watch(kind, options);
    const { resourceVersion, signal, ...selection } = options;
    let select: ReturnType<typeof selectedEvents<R>> | undefined;
    let read = (stored: R): R => stored;
    const open = async (): Promise<WatchStream<R>> => {
      const form = await this.#form();
      const { server, matches } = splitSelection(form, kind, 'watch', selection);
      if (matches !== undefined) select = selectedEvents(matches);
      read = stored => form.fromStored(kind, stored);
      return this.#rest.watch(form.storedKind(kind), { ...server, resourceVersion, signal });
    };
    return new MappedWatch<R>(open, event => {
      const own = event.type === 'BOOKMARK' ? event : { type: event.type, object: read(event.object) };
      return select === undefined ? own : select(own);
    });
  }

  async #check(kind: Pick<Kind, 'kind'>, write: Write): Promise<void> {
    await this.#rules.get(kind.kind)?.check?.(write, this);
  }

  async #replace<R extends Resource>(kind: Kind<R>, object: R, op: 'update' | 'updateStatus'): Promise<R> {
    const form = await this.#form();
    return this.#named(form, kind, keyOf(object), async ({ name }) => {
      const stored = withForgottenManagers(kind, form.toStored(kind, object, name));
      return form.fromStored(kind, await this.#rest[op](form.storedKind(kind), stored));
    });
  }

  /** Does something under the name that an object has in the store, which for old policies is not its own. */
  async #named<R extends Resource, T>(
    form: GroupForm,
    kind: Kind<R>,
    key: ObjectKey,
    act: (stored: ObjectKey) => Promise<T>,
  ): Promise<T> {
    try {
      return await act(key);
    } catch (err) {
      const name = oldPolicyName(kind, key.name);
      if (name === undefined || !isNotFound(err)) throw err;
      const old = { ...key, name };
      const found = await this.#rest.get(form.storedKind(kind), old).catch(() => undefined);
      if (found === undefined || form.fromStored(kind, found).metadata.name !== key.name) throw err;
      return act(old);
    }
  }
}

/** What of the server's objects is selected, as the callers know them. */
function readStored<R extends Resource>(
  form: GroupForm,
  kind: Kind<R>,
  items: readonly R[],
  matches: ((object: R) => boolean) | undefined,
): R[] {
  const all = items.map(item => form.fromStored(kind, item));
  return matches === undefined ? all : all.filter(matches);
}

function isCalico(kind: Pick<Kind, 'group'>): boolean {
  return kind.group === 'projectcalico.org';
}

/** The object with its defaults. Throws Invalid, as the servers of other datastores do. */
function prepare<R extends Resource>(op: string, kind: Kind<R>, resource: R, old?: R): R {
  const object = kind.default(resource);
  refuseFaults(op, kind, object, () => true, old);
  return object;
}

function refuseFaults<R extends Resource>(
  op: string,
  kind: Kind<R>,
  object: R,
  concerns: (path: string) => boolean,
  old?: R,
): void {
  const faults = kind.validate(object, old).filter(({ path }: FieldError) => concerns(path));
  if (faults.length > 0) throw refuse('Invalid', op, kind, object, faults.map(printFieldError).join('; '));
}

/** What a patch makes of an object, checked. It holds to the version that was patched. */
function patched<R extends Resource>(kind: Kind<R>, old: R, patch: unknown, { type, subresource }: PatchOptions): R {
  const op = 'patch';
  if (type === 'strategic') {
    throw refuse('Invalid', op, kind, old, 'the patch is strategic; allowed for this kind: merge, json');
  }
  let next: R;
  try {
    next = applyPatch(type, old, patch, kind.schema) as R;
  } catch (err) {
    if (err instanceof PatchError) throw refuse('Invalid', op, kind, old, err.message);
    throw err;
  }
  const { uid, resourceVersion } = old.metadata;
  const asked = next.metadata;
  if (asked.uid !== uid) throw refuse('NotFound', op, kind, old, `its uid is ${uid}, asked for ${asked.uid}`);
  if (asked.resourceVersion !== resourceVersion) {
    const reason = `it has been changed: resourceVersion is ${resourceVersion}, asked for ${asked.resourceVersion}`;
    throw refuse('Conflict', op, kind, old, reason);
  }
  if (subresource !== 'status') return prepare(op, kind, next, old);
  refuseFaults(op, kind, next, path => path.startsWith('status'), old);
  return next;
}

function refuse(
  code: DatastoreError['code'],
  op: string,
  kind: Pick<Kind, 'kind'>,
  { metadata }: Resource,
  reason: string,
): DatastoreError {
  return new DatastoreError({
    code,
    op,
    resource: printResource(kind.kind, metadata.namespace, metadata.name),
    reason,
  });
}

/**
 * A Client of a Kubernetes cluster for Kubernetes' own kinds and for Calico's, under whichever API group the cluster has
 * these. The group is found out with the first request that needs it. Objects of Calico's kinds are given their defaults and
 * validated before they are written, as a CRD cannot say everything. Throws Invalid for a $CALICO_API_GROUP that is not known.
 */
export function calicoClient(config: KubernetesConfig, options: CalicoClientOptions = {}): Client {
  const { apiGroup, env = process.env, clock = processClock, requestTimeoutMs = 30_000 } = options;
  const given = apiGroup ?? apiGroupFromEnvironment(env);
  let found: Promise<GroupForm> | undefined = given && Promise.resolve(FORMS[given]);
  const form = (): Promise<GroupForm> => {
    if (found === undefined) {
      const transport = new Transport(config, clock);
      const asked = discoverApiGroup(request => transport.ask(request), requestTimeoutMs).then(group => FORMS[group]);
      found = asked;
      asked.catch(() => {
        found = undefined;
      });
    }
    return found;
  };
  return new CalicoClient(kubernetesClient(config, options), form, options);
}

/** The API group under which a `calicoClient` has Calico's kinds; undefined for a client of another store. */
export async function apiGroupOf(client: Client): Promise<CalicoApiGroup | undefined> {
  return client instanceof CalicoClient ? await client.apiGroup() : undefined;
}
