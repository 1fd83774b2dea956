import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { type CtlConfig, environmentConfig, loadConfig, parseConfig } from './config.ts';
import { openClient } from './open-client.ts';
import { Desk } from './testing.ts';

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => desk.close());

test('the environment is read with CALICO_ in front first', () => {
  const env = { DATASTORE_TYPE: 'etcdv3', CALICO_DATASTORE_TYPE: 'kubernetes', KUBECONFIG: '/a', K8S_CA_FILE: '' };
  expect(environmentConfig(env)).toEqual({ datastoreType: 'kubernetes', kubeconfig: '/a' });
});

test('a file is used alone, whatever the environment says', async () => {
  const path = desk.file(
    'ctl.cfg',
    'apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata:\nspec: {datastoreType: kubernetes, k8sClientQPS: 5}\n',
  );
  expect(await loadConfig(path, { KUBECONFIG: '/a' })).toEqual({ datastoreType: 'kubernetes', k8sClientQPS: '5' });
});

describe('a file is refused', () => {
  const base = { apiVersion: 'projectcalico.org/v3', kind: 'CalicoAPIConfig' };
  const cases: { name: string; document: unknown; error: string }[] = [
    { name: 'that is empty', document: null, error: 'kind is undefined; allowed: "CalicoAPIConfig"' },
    { name: 'of another version', document: { ...base, apiVersion: 'v1' }, error: 'apiVersion is "v1"; allowed: ' },
    { name: 'with a field beside', document: { ...base, data: {} }, error: 'data is no field of it; allowed: ' },
    { name: 'with an unknown field', document: { ...base, spec: { etcd: 'x' } }, error: 'spec.etcd is no field of it' },
    { name: 'with a list', document: { ...base, spec: { kubeconfig: [] } }, error: 'spec.kubeconfig is []; allowed: ' },
  ];
  test.each(cases)('$name', ({ document, error }) => {
    expect(() => parseConfig(document)).toThrow(error);
  });

  test('by name, on stdout', async () => {
    desk.file('ctl.cfg', 'kind: Other\n');
    expect(await desk.run('get ippools -c $DIR/ctl.cfg')).toEqual({
      code: 1,
      out: 'Error reading config file: ctl.cfg: kind is "Other"; allowed: "CalicoAPIConfig"\n',
      err: '',
    });
    const { code, out } = await desk.run('get ippools -c $DIR/none.cfg');
    expect(code).toBe(1);
    expect(out).toStartWith('Error reading config file: none.cfg: ENOENT');
  });
});

describe('a datastore that cannot be opened:', () => {
  const cases: { name: string; config: CtlConfig; error: string }[] = [
    { name: 'etcd', config: { datastoreType: 'etcdv3' }, error: 'datastoreType is "etcdv3"; allowed: kubernetes' },
    { name: 'etcd by its endpoints', config: { etcdEndpoints: 'http://x' }, error: 'datastoreType is "etcdv3"' },
    { name: 'an inline kubeconfig', config: { kubeconfigInline: 'x' }, error: 'kubeconfigInline is set; allowed: ' },
    { name: 'no kubeconfig there', config: { kubeconfig: '/nowhere' }, error: 'kubeconfig /nowhere' },
    { name: 'nothing at all', config: {}, error: 'there is no kubeconfig' },
  ];
  test.each(cases)('$name', ({ config, error }) => {
    expect(() => openClient(config, { HOME: desk.folder })).toThrow(error);
  });
});
