import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localParameters } from './felix-sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'calico-felix-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** An environment with a file of this content. */
function withFile(text: string, env: Record<string, string> = {}): Record<string, string> {
  const path = join(folder, 'felix.cfg');
  writeFileSync(path, text);
  return { FELIX_CONFIG: path, ...env };
}

describe('what a node says itself of Felix’s parameters', () => {
  test('is the environment’s FELIX_… in any case, but not the name of the file', () => {
    const env = { FELIX_VXLANPORT: '4790', felix_HealthPort: '9199', VXLANPORT: '1', FELIX_: 'x', FELIX_EMPTY: '' };
    expect(localParameters({ ...env, FELIX_CONFIG: join(folder, 'absent') })).toEqual({
      VXLANPORT: '4790',
      HealthPort: '9199',
    });
  });

  test('is every section of the file, with comments, quotes and both signs', () => {
    const text = `
# a comment
[global]
LogSeverityScreen = Debug ; as long as we look
VXLANPort: 4790
[other]
LogPrefix = "my prefix"
MetadataAddr =
FlowLogsGoldmaneServer = https://a:7443/x#y
`;
    expect(localParameters(withFile(text))).toEqual({
      FlowLogsGoldmaneServer: 'https://a:7443/x#y',
      LogPrefix: 'my prefix',
      LogSeverityScreen: 'Debug',
      VXLANPort: '4790',
    });
  });

  test('is the environment before the file, and the file where the environment is empty', () => {
    const env = withFile('[global]\nVXLANPort = 1\nVXLANVNI = 2\n', { FELIX_VXLANPORT: '3', FELIX_VXLANVNI: '' });
    expect(localParameters(env)).toEqual({ VXLANPORT: '3', VXLANVNI: '2' });
  });

  test('is refused with the line where the file is no ini', () => {
    expect(() => localParameters(withFile('[global]\nnonsense\n'))).toThrow('felix.cfg, line 2: "nonsense"; allowed:');
  });

  test('is refused where the file cannot be read', () => {
    expect(() => localParameters({ FELIX_CONFIG: folder })).toThrow(`Cannot read ${folder}`);
  });
});
