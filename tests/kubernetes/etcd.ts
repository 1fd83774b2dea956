import { type ChildProgram, startChild } from './child.ts';
import { freePort } from './free-port.ts';

/** An etcd with nothing in it, on loopback. */
export interface Etcd {
  readonly url: string;
  readonly pid: number;
  /** Forgets the history of every key up to now; gives that revision. */
  compact(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts an etcd that keeps its data in `folder` and never waits for the disk. */
export async function startEtcd(folder: string): Promise<Etcd> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const peers = `http://127.0.0.1:${await freePort()}`;
  const child: ChildProgram = startChild('etcd', [
    '--name=test',
    `--data-dir=${folder}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=test=${peers}`,
    '--unsafe-no-fsync',
    '--logger=zap',
    '--log-level=error',
  ]);
  await child.ready(async () => (await fetch(`${url}/health`)).ok);
  const call = async (path: string, body: object): Promise<Response> => {
    const response = await fetch(`${url}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`Cannot ${path} in etcd: ${response.status} ${await response.text()}`);
    return response;
  };
  return {
    url,
    pid: child.pid,
    compact: async () => {
      const key = btoa('/');
      const { header } = (await (await call('range', { key, count_only: true })).json()) as {
        header: { revision: string };
      };
      await call('compaction', { revision: header.revision, physical: true });
      return header.revision;
    },
    stop: () => child.stop(),
  };
}
