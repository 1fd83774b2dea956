// Part: an API server in front of the real one, which lists the pods and policies of workload W1 as if they were there and
// passes everything else on. Answers with its address.
import type { ResourceUpdate, WorkloadEndpoint } from '@calico/api';
import { answer, task } from '../api/part.ts';
import { workloads } from '../calc/workloads.ts';

export interface W1Task {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  /** The node on which the pods are that the workload has as its own. */
  readonly node: string;
}

const { url, ca, token, node } = task<W1Task>();
const workload = workloads.W1;
const real = { headers: { authorization: `Bearer ${token}` }, tls: { ca } };

/** A list under way: pages are asked for one after the other. */
class Pages {
  readonly #objects: Iterator<object>;
  readonly #resourceVersion: string;
  #page = 0;

  constructor(objects: Iterable<object>, resourceVersion: string) {
    this.#objects = objects[Symbol.iterator]();
    this.#resourceVersion = resourceVersion;
  }

  next(limit: number): Response {
    const items: object[] = [];
    let more = true;
    while (items.length < limit && more) {
      const { done, value } = this.#objects.next();
      if (done) more = false;
      else items.push(value);
    }
    const metadata = { resourceVersion: this.#resourceVersion, ...(more ? { continue: `page-${++this.#page}` } : {}) };
    return Response.json({ metadata, items });
  }
}

const lists: Readonly<Record<string, (own: object[]) => Iterable<object>>> = {
  '/api/v1/pods': function* (own) {
    yield* own;
    for (const update of objectsOf('WorkloadEndpoint')) yield podOf(update.resource as WorkloadEndpoint);
  },
  '/apis/projectcalico.org/v3/globalnetworkpolicies': function* (own) {
    yield* own;
    for (const { resource } of objectsOf('GlobalNetworkPolicy')) {
      yield { ...resource, metadata: { ...resource?.metadata, uid: crypto.randomUUID(), resourceVersion: '1' } };
    }
  },
};
const underWay = new Map<string, Pages>();

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  async fetch(incoming) {
    const { pathname, search, searchParams } = new URL(incoming.url);
    const list = lists[pathname];
    if (incoming.method !== 'GET' || list === undefined || searchParams.has('watch'))
      return pass(incoming, pathname + search);
    if (!searchParams.has('continue')) {
      const present = (await (await fetch(url + pathname, real)).json()) as {
        metadata: { resourceVersion: string };
        items: object[];
      };
      underWay.set(pathname, new Pages(list(present.items), present.metadata.resourceVersion));
    }
    return (
      underWay.get(pathname)?.next(Number(searchParams.get('limit') ?? Number.MAX_SAFE_INTEGER)) ??
      new Response('', { status: 410 })
    );
  },
});
await answer({ url: `http://127.0.0.1:${server.port}` });

async function pass(incoming: Request, path: string): Promise<Response> {
  const { method, headers, signal } = incoming;
  const body = method === 'GET' ? {} : { body: await incoming.arrayBuffer() };
  const response = await fetch(url + path, { method, headers, signal, ...body, tls: { ca } });
  if (!path.includes('watch=true') || response.body === null) return response;
  // Headers go out with the first bytes, which for a watch may be a long time coming: an empty line means nothing.
  const start = new TransformStream<Uint8Array, Uint8Array>({
    start: stream => stream.enqueue(new TextEncoder().encode('\n')),
  });
  return new Response(response.body.pipeThrough(start), { status: response.status, headers: response.headers });
}

function* objectsOf(kind: string): Iterable<ResourceUpdate> {
  for (const update of workload?.objects() ?? []) if (update.kind === kind) yield update;
}

/** The pod that the workload's endpoint would come of. */
function podOf({ metadata, spec }: WorkloadEndpoint): object {
  const labels = Object.entries(metadata.labels ?? {}).filter(([key]) => !key.startsWith('projectcalico.org/'));
  const ip = spec.ipNetworks?.[0]?.split('/')[0] ?? '';
  return {
    metadata: {
      name: spec.pod,
      namespace: metadata.namespace,
      uid: crypto.randomUUID(),
      resourceVersion: '1',
      labels: Object.fromEntries(labels),
    },
    spec: { nodeName: spec.node === 'node-1' ? node : spec.node, containers: [{ name: 'main', image: 'none' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
}
