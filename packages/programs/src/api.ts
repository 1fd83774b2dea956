import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startApiServer, writeKubeconfig } from '@calico/apiserver';
import { createLogger, Lifecycle, runUntilSignal, systemClock } from '@calico/process';
import { Command } from 'commander';
import { loadApiIdentity } from './api-identity.ts';

/** Runs `calico api serve`: the embedded API server by itself, on this machine's loopback. */
export async function runApi(args: string[]): Promise<number> {
  const program = new Command('calico api').description('The embedded API server.');
  program
    .command('serve')
    .description('serve until SIGTERM; the kubeconfig is written into the folder')
    .option('--folder <path>', 'where the store and the kubeconfig are', '.calico-api')
    .option('--port <n>', 'port on 127.0.0.1 and ::1', '6443')
    .action(serve);
  await program.parseAsync(args, { from: 'user' });
  return 0;
}

async function serve({ folder, port }: { folder: string; port: string }): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const log = createLogger({ component: 'api' });
  const { certificates, token } = loadApiIdentity(folder, systemClock.wallTime());
  let server: Awaited<ReturnType<typeof startApiServer>> | undefined;
  const component = {
    name: 'API server',
    async start() {
      server = await startApiServer({
        storePath: join(folder, 'store.sqlite'),
        listen: [{ host: 'localhost', port: Number(port) }],
        tls: certificates,
        tokens: [{ token, user: 'admin' }],
        clock: systemClock,
        log,
      });
      const kubeconfig = join(folder, 'kubeconfig');
      writeKubeconfig(kubeconfig, { server: server.urls[0] ?? '', ca: certificates.ca, token });
      process.stdout.write(`Serving on ${server.urls.join(', ')}\nexport KUBECONFIG=${kubeconfig}\n`);
    },
    async stop() {
      await server?.stop();
    },
  };
  await runUntilSignal(new Lifecycle({ components: [component], clock: systemClock, log }));
}
