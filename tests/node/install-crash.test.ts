import { expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '@calico/reconcile';

const CHILD = join(import.meta.dir, 'install.child.ts');
/** As often it is killed. */
const ROUNDS = 8;
setDefaultTimeout(120_000);

/** Whether a text is one version as a whole. */
function isWhole(text: string, length: number): boolean {
  return [0, 1].some(version => text === `version ${version} `.repeat(length));
}

// One with links, one where every program has to be copied.
for (const [kind, sourceFolder] of [
  ['the same file system', tmpdir()],
  ['another file system', '/dev/shm'],
] as const) {
  test(`an installer that is killed leaves each file old or new, from ${kind}`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'calico-install-crash-'));
    const source = mkdtempSync(join(sourceFolder, 'calico-install-crash-'));
    mkdirSync(join(root, 'host/opt/cni/bin'), { recursive: true });
    const random = seededRandom(5);
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const child = Bun.spawn([process.execPath, CHILD, root, source], { stdio: ['ignore', 'pipe', 'inherit'] });
        // From the second round on the files of the one before are there, and it may be killed at any time.
        await child.stdout.getReader().read();
        await Bun.sleep(random.next() * 60);
        child.kill('SIGKILL');
        await child.exited;

        const net = join(root, 'host/etc/cni/net.d');
        const bin = join(root, 'host/opt/cni/bin');
        expect(isWhole(JSON.parse(readFileSync(join(net, '10-calico.conflist'), 'utf8')).text, 20_000)).toBe(true);
        const kubeconfig = Bun.YAML.parse(readFileSync(join(net, 'calico-kubeconfig'), 'utf8')) as {
          users: { user: { token: string } }[];
        };
        expect(isWhole(kubeconfig.users[0]?.user.token ?? '', 20_000)).toBe(true);
        expect(statSync(join(net, 'calico-kubeconfig')).mode & 0o777).toBe(0o600);
        for (const name of ['calico', 'calico-ipam']) {
          expect(isWhole(readFileSync(join(bin, name), 'utf8'), 200_000)).toBe(true);
          expect(statSync(join(bin, name)).mode & 0o111).toBe(0o111);
        }
        // What is not finished is at most one file, and none that a runtime reads.
        const hidden = [...readdirSync(net), ...readdirSync(bin)].filter(name => name.startsWith('.'));
        expect(hidden.length).toBeLessThanOrEqual(1);
        expect(hidden.every(name => name.endsWith('.calico-new'))).toBe(true);
      }
    } finally {
      rmSync(root, { recursive: true });
      rmSync(source, { recursive: true });
    }
  });
}
