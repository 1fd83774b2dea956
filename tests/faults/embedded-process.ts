// The embedded API server in a process of its own, so that it can be killed: what to serve is its one argument.
import { readFileSync } from 'node:fs';
import { type ServerLog, startApiServer } from '@calico/apiserver';
import { systemClock } from '@calico/process';

/** Where the server keeps its data and listens. */
export interface EmbeddedTask {
  readonly storePath: string;
  readonly port: number;
  readonly token: string;
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
}

if (import.meta.main) {
  const { storePath, port, token, cert, key } = JSON.parse(process.argv[2] ?? '{}') as EmbeddedTask;
  const silent = () => undefined;
  const log: ServerLog = { info: silent, warn: silent, error: (fields, text) => console.error(text, fields) };
  const server = await startApiServer({
    storePath,
    listen: [{ host: '127.0.0.1', port }],
    tls: { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') },
    tokens: [{ token, user: 'tests' }],
    clock: systemClock,
    log,
  });
  process.on('message', message => {
    if (message === 'compact') server.compact(0);
    process.send?.(message);
  });
  process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
  // Whoever started it has gone without a word.
  process.on('disconnect', () => process.exit(1));
  process.send?.('ready');
}
