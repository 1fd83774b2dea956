import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { executable } from './cni-node.ts';

test('a file .env in the folder where it is started is no part of the environment', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'calico-env-'));
  try {
    writeFileSync(join(cwd, '.env'), 'CNI_COMMAND=VERSION\n');
    const { stdout } = Bun.spawnSync([executable, 'version'], { cwd, stdin: Buffer.from('{}') });
    expect(stdout.toString()).toStartWith('Version:');
  } finally {
    rmSync(cwd, { recursive: true });
  }
});
