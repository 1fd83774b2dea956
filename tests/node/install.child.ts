// Installs again and again, each time other versions of every file, until it is killed; for install-crash.test.ts.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installCni } from '@calico/node';

const [root = '', source = ''] = process.argv.slice(2);
const executable = join(source, 'calico');
const quiet = { debug() {}, info() {}, warn() {} };
for (let version = 0; ; version++) {
  const word = `version ${version % 2} `;
  writeFileSync(`${executable}.new`, word.repeat(200_000), { mode: 0o755 });
  renameSync(`${executable}.new`, executable);
  await installCni({
    env: {
      KUBERNETES_SERVICE_HOST: '10.96.0.1',
      CNI_NETWORK_CONFIG: JSON.stringify({ name: 'net', text: word.repeat(20_000) }),
    },
    root,
    executable,
    hostname: 'host',
    account: { token: 'own', ca: 'ca', requestToken: async () => word.repeat(20_000) },
    log: quiet,
  });
  if (version === 0) console.log('installed');
}
