import { describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Place, run, runLab } from './lab-command.ts';

const workloads = join(import.meta.dir, 'testdata/pair/workloads.yaml');
const small = ['up', '--once', '--nodes', '2', '--manifests', workloads];

const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
const scratch = tmpdir();
const mayMount = (await run(['unshare', ...user, '--mount', 'true'], scratch)).exitCode === 0;
const why = mayMount ? '' : ' (skipped: this system forbids mount namespaces)';

/** A machine like this one, changed by a shell script that sees its own mounts. */
function changedBy(script: string, inUserNamespace = user.length > 0): Place {
  const flags = inUserNamespace ? ['--user', '--map-root-user'] : [];
  const run = `set -e; ${script}; exec "$@"`;
  return { enter: ['unshare', ...flags, '--mount', '--propagation=private', 'bash', '-c', run, 'bash'] };
}

describe.skipIf(!mayMount)(`the lab works, or ends with 2 and says why${why}`, () => {
  test.each([
    {
      name: '/proc/sys read-only, as in a container',
      script: 'mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys',
    },
    { name: '/proc/sys hidden', script: 'mount -t tmpfs tmpfs /proc/sys' },
  ])('$name: 2', async ({ script }) => {
    const { exitCode, stdout, stderr, left } = await runLab(small, changedBy(script));
    expect(stderr).toContain('/proc/sys is read-only or hidden');
    expect(stderr).toContain('systempaths=unconfined');
    expect({ exitCode, stdout, left }).toEqual({ exitCode: 2, stdout: '', left: [] });
  });

  test('npm start without /proc: 2', async () => {
    const hidden = [
      'unshare',
      ...user,
      '--mount',
      '--propagation=private',
      'sh',
      '-c',
      'mount -t tmpfs tmpfs /proc; exec "$@"',
      'sh',
    ];
    const start = ['node', join(import.meta.dir, '../../tools/start.mjs'), '--once'];
    const { exitCode, stderr } = await run([...hidden, ...start], scratch);
    expect(stderr).toContain('Cannot run without /proc');
    expect(exitCode).toBe(2);
  });

  test('unshare missing: 2', async () => {
    const place = changedBy('PATH=$TMPDIR');
    const { exitCode, stderr } = await runLab(small, place);
    expect(stderr).toContain('unshare is missing');
    expect(exitCode).toBe(2);
  });

  test('no user namespaces and no privileges: 2', async () => {
    // A user namespace of one's own, in which no further one may be made, left by all capabilities.
    const drop = 'setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all -- "$@"';
    const script = `echo 0 > /proc/sys/user/max_user_namespaces; set -- ${drop}`;
    const { exitCode, stderr, left } = await runLab(small, changedBy(script, true));
    expect(stderr).toContain('user.max_user_namespaces is 0');
    expect(stderr).toContain('sudo sysctl');
    expect({ exitCode, left }).toEqual({ exitCode: 2, left: [] });
  });

  const masked = ['/proc/acpi', '/proc/scsi', '/proc/irq', '/proc/bus'].filter(existsSync);
  test.each([
    {
      name: `parts of /proc hidden, as container engines do (${masked})`,
      script: ['true', ...masked.map(path => `mount -t tmpfs tmpfs ${path}`)].join('; '),
    },
    { name: 'no /dev/net/tun', script: 'if [ -d /dev/net ]; then mount -t tmpfs tmpfs /dev/net; fi' },
    { name: 'root who may make no user namespaces', script: 'echo 0 > /proc/sys/user/max_user_namespaces', own: true },
    { name: 'an empty /run', script: 'mount -t tmpfs tmpfs /run' },
    { name: 'a full environment gone', script: 'unset HOME SHELL USER LANG TERM' },
  ])('$name: it works', async ({ script, own }) => {
    const { exitCode, stderr, left } = await runLab(small, changedBy(script, own));
    expect(exitCode, stderr).toBe(0);
    expect(left).toEqual([]);
  });
});
