import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Store } from './store.ts';
import { TEST_TOKEN } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'calico-kill-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WRITERS = 8;
const WANTED = 200;

test('kill -9 in the middle of writes loses nothing that was acknowledged', async () => {
  const path = join(folder, 'store.db');
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'testing-server.ts'), path], { stdout: 'pipe' });
  const reader = child.stdout.getReader();
  const url = new TextDecoder().decode((await reader.read()).value).trim();
  const acknowledged: { name: string; resourceVersion: string }[] = [];

  async function write(writer: number): Promise<void> {
    for (let i = 0; ; i++) {
      const name = `set-${writer}-${i}`;
      try {
        const response = await fetch(`${url}/apis/projectcalico.org/v3/namespaces/default/networksets`, {
          method: 'POST',
          headers: { authorization: `Bearer ${TEST_TOKEN}`, 'content-type': 'application/json' },
          body: JSON.stringify({ metadata: { name }, spec: { nets: ['10.0.0.0/8'] } }),
        });
        const { metadata } = (await response.json()) as { metadata: { resourceVersion: string } };
        acknowledged.push({ name, resourceVersion: metadata.resourceVersion });
      } catch {
        return; // The server is dead.
      }
      if (acknowledged.length === WANTED) child.kill('SIGKILL');
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, (_, i) => write(i)));
  await child.exited;
  expect(acknowledged.length).toBeGreaterThanOrEqual(WANTED);

  const store = new Store({ path });
  const stored = new Map(
    store
      .list('projectcalico.org/networksets')
      .map(entry => [entry.name, entry.object.metadata.resourceVersion] as const),
  );
  expect(acknowledged.filter(({ name, resourceVersion }) => stored.get(name) !== resourceVersion)).toEqual([]);
  store.close();
}, 20_000);
