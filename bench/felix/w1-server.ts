// Part: an API server in front of the real one, which lists the pods and policies of workload W1 as if they were there and
// passes everything else on. Answers with its address.
import type { Resource, WorkloadEndpoint } from '@calico/api';
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
  readonly #objects: readonly string[];
  readonly #resourceVersion: string;
  #at = 0;

  constructor(objects: readonly string[], resourceVersion: string) {
    this.#objects = objects;
    this.#resourceVersion = resourceVersion;
  }

  next(limit: number): Response {
    const items = this.#objects.slice(this.#at, this.#at + limit);
    this.#at += items.length;
    const more = this.#at < this.#objects.length ? { continue: `at-${this.#at}` } : {};
    const metadata = JSON.stringify({ resourceVersion: this.#resourceVersion, ...more });
    const headers = { 'content-type': 'application/json' };
    return new Response(`{"metadata":${metadata},"items":[${items.join(',')}]}`, { headers });
  }
}

/** As JSON, made before anybody asks: what is made meanwhile would hold up who asks for something else. */
const lists: Readonly<Record<string, readonly string[]>> = {
  '/api/v1/pods': listOf('WorkloadEndpoint', resource => podOf(resource as WorkloadEndpoint)),
  '/apis/projectcalico.org/v3/globalnetworkpolicies': listOf('GlobalNetworkPolicy', resource => ({
    ...resource,
    metadata: { ...resource.metadata, uid: crypto.randomUUID(), resourceVersion: '1' },
  })),
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
      const own = present.items.map(item => JSON.stringify(item));
      underWay.set(pathname, new Pages([...own, ...list], present.metadata.resourceVersion));
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

function listOf(kind: string, convert: (resource: Resource) => object): string[] {
  const texts: string[] = [];
  for (const { kind: of, resource } of workload?.objects() ?? []) {
    if (of === kind && resource !== undefined) texts.push(JSON.stringify(convert(resource)));
  }
  return texts;
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
