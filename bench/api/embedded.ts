// Part: the embedded API server over TLS, with a file that survives power cuts. Answers with where it is.
import { createCertificates, startApiServer } from '@calico/apiserver';
import { systemClock } from '@calico/process';
import { answer, task } from './part.ts';

const { storePath } = task<{ storePath: string }>();
const { ca, cert, key } = createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });
const token = crypto.randomUUID();
const silent = () => undefined;
const server = await startApiServer({
  storePath,
  synchronous: 'full',
  listen: [{ host: '127.0.0.1', port: 0 }],
  tls: { cert, key },
  tokens: [{ token, user: 'bench' }],
  clock: systemClock,
  log: { info: silent, warn: silent, error: (fields, message) => console.error(message, fields) },
});
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
await answer({ server: server.urls[0] ?? '', token, ca });
