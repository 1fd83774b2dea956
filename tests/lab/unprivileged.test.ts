import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, cpSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pluginFiles } from '@calico/process/plugin-files';
import { executable, type Place, RunningLab, run, runLab, runOnce, scratchFolder } from './lab-command.ts';
import { expectedCells, foundCells, knownPods, oracleFor, readFolder } from './oracle-view.ts';

const examples = join(import.meta.dir, '../../examples');
const nobody = 65534;
const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--'];
const isRoot = process.getuid?.() === 0;

const home = scratchFolder();
const mayMakeNamespaces =
  (await run([...(isRoot ? asNobody : []), 'unshare', '--user', '--map-root-user', '--net', 'true'], home)).exitCode ===
  0;

/** As this user when it is an ordinary one; else as nobody, with a copy that nobody may read. */
const place: Place = isRoot ? { enter: asNobody, executable: join(home, 'dist/calico'), uid: nobody } : {};

const workloads = join(home, 'workloads.yaml');

beforeAll(() => {
  cpSync(join(import.meta.dir, 'testdata/pair/workloads.yaml'), workloads);
  if (!isRoot) return;
  mkdirSync(join(home, 'dist'));
  for (const file of new Set([executable, ...pluginFiles(executable).values()]))
    cpSync(file, join(home, 'dist', basename(file)));
  cpSync(examples, join(home, 'examples'), { recursive: true });
  for (const folder of [home, join(home, 'dist')]) chmodSync(folder, 0o755);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const why = mayMakeNamespaces ? '' : ' (skipped: this system forbids user namespaces to ordinary users)';

describe.skipIf(!mayMakeNamespaces)(`the lab as an unprivileged user${why}`, () => {
  for (const encapsulation of ['vxlan', 'cross-subnet']) {
    test(`--once --encapsulation ${encapsulation} ends with 0, every cell as the oracle says, and leaves nothing`, async () => {
      const { exitCode, stderr, report } = await runOnce(['--encapsulation', encapsulation], place);
      expect(exitCode, stderr).toBe(0);
      const manifests = readFolder(join(examples, 'online-boutique'));
      const pods = knownPods(manifests, report);
      expect(foundCells(report.withPolicies)).toEqual(expectedCells(oracleFor(manifests, pods, report, true), pods));
      expect(report.timings.total).toBeLessThan(25_000);
    });
  }

  test('--once leaves no temporary file', async () => {
    const { exitCode, left } = await runLab(['up', '--once', '--manifests', workloads], place);
    expect(exitCode).toBe(0);
    expect(left).toEqual([]);
  });

  test('a shell in a pod and on a node works for the user who started the lab', async () => {
    const lab = await RunningLab.start(['--nodes', '2', '--manifests', workloads], place);
    try {
      const inPod = await lab.shell('default/client', 'cat', '/proc/net/route');
      expect(inPod.stdout).toContain('eth0');
      expect(inPod.exitCode).toBe(0);
      const onNode = await lab.shell('node1', 'cat', '/proc/net/dev');
      expect(onNode.stdout).toContain('vxlan.calico');
      const failing = await lab.shell('client', 'sh', '-c', 'exit 7');
      expect(failing.exitCode).toBe(7);
      const unknown = await lab.shell('default/nobody-here', 'true');
      expect(unknown.exitCode).toBe(1);
      expect(unknown.stderr).toContain('nobody-here');
    } finally {
      await lab.close();
    }
  });
});

if (!mayMakeNamespaces) {
  test('where user namespaces are forbidden the lab ends with 2 and says what to do', async () => {
    const { exitCode, stderr, left } = await runLab(['up', '--once'], place);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/sudo|security-opt/);
    expect(left).toEqual([]);
  });
}
