import { DatastoreError } from '../error.ts';
import type { ApiRequest } from './transport.ts';

/** The API groups under which a cluster may have Calico's kinds. */
export const API_GROUPS = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'] as const;
export type CalicoApiGroup = (typeof API_GROUPS)[number];

/** The API group that $CALICO_API_GROUP asks for; undefined when it is not set. Throws Invalid for any other text. */
export function apiGroupFromEnvironment(env: Readonly<Record<string, string | undefined>>): CalicoApiGroup | undefined {
  const { CALICO_API_GROUP: wanted = '' } = env;
  if (wanted === '') return undefined;
  const found = API_GROUPS.find(group => group === wanted);
  if (found !== undefined) return found;
  const reason = `CALICO_API_GROUP is "${wanted}"; allowed: ${API_GROUPS.join(', ')}`;
  throw new DatastoreError({ code: 'Invalid', op: 'choose', resource: 'the API group', reason });
}

/** The group that a server's list of groups (meta/v1 APIGroupList) leads to: v3 only where it is alone. */
function choose(body: unknown): CalicoApiGroup {
  const groups: unknown = Reflect.get(Object(body), 'groups');
  const names = Array.isArray(groups) ? groups.map(group => Reflect.get(Object(group), 'name')) : [];
  const native = names.includes('projectcalico.org') && !names.includes('crd.projectcalico.org');
  return native ? 'projectcalico.org/v3' : 'crd.projectcalico.org/v1';
}

/**
 * Asks the server which groups it has: `projectcalico.org/v3` where that is served and `crd.projectcalico.org` is not, and v1
 * in every other case, also when the server refuses to tell or makes no sense. Rejects only when it is away or too busy
 * (Unavailable, Timeout), and neither group could be used: a late server must not make a v3 cluster look like an empty v1 one.
 */
export async function discoverApiGroup(ask: (request: ApiRequest) => Promise<unknown>, timeoutMs: number) {
  const request = { op: 'discover', resource: 'the API groups', write: false, method: 'GET', path: '/apis' } as const;
  try {
    return choose(await ask({ ...request, timeoutMs }));
  } catch (err) {
    if (err instanceof DatastoreError && (err.code === 'Unavailable' || err.code === 'Timeout')) throw err;
    return 'crd.projectcalico.org/v1';
  }
}
