import { describe } from 'bun:test';
import { type ServerLog, startApiServer } from '@calico/apiserver';
import { datastoreContract } from '../contract/index.ts';
import { calicoClient } from './calico-client.ts';
import { kubernetesClient } from './client.ts';
import { tokenCredentials } from './credentials.ts';
import { processClock } from './system-time.ts';

const TOKEN = 'contract-token';
const SILENT: ServerLog = { info: () => {}, warn: () => {}, error: () => {} };

for (const open of [kubernetesClient, calicoClient]) {
  describe(`${open.name} keeps the contract on the embedded API server:`, () => contractOf(open));
}

function contractOf(open: typeof kubernetesClient): void {
  datastoreContract(async () => {
    const server = await startApiServer({
      storePath: ':memory:',
      listen: [{ host: '127.0.0.1', port: 0 }],
      tokens: [{ token: TOKEN, user: 'tests' }],
      clock: processClock,
      log: SILENT,
    });
    const client = open(
      { server: server.urls[0] ?? '', credentials: tokenCredentials(TOKEN) },
      // Small pages, so that every list of the suite takes several.
      { pageSize: 4 },
    );
    return { client, compact: () => server.compact(0), close: () => server.stop() };
  });
}
