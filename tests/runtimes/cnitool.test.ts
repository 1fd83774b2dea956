import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { aloneFolder, KubernetesNode, networkName, pluginFolder } from './kubernetes-node.ts';
import { missingFor, until } from './machine.ts';
import { buildCnitool } from './tools.ts';

const missing = missingFor('curl', 'go');
const START_MS = 1_800_000;
const namespace = '/run/netns/pod';

describe.skipIf(missing !== undefined)(`cnitool${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let node: KubernetesNode;
  let cnitool: string;
  let before: { interfaces: string[]; routes: string[] };

  /** Calls the plugins of the configuration for the pod of this test. */
  const call = (command: string) =>
    node.machine.run([cnitool, command, networkName, namespace], {
      env: {
        NETCONFPATH: aloneFolder,
        CNI_PATH: pluginFolder,
        CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod;K8S_POD_INFRA_CONTAINER_ID=infra',
      },
    });

  const inPod = (...command: string[]) => node.machine.must(['nsenter', `--net=${namespace}`, '--', ...command]);

  beforeAll(async () => {
    cnitool = await buildCnitool();
    node = await KubernetesNode.start();
    await node.machine.must(['ip', 'netns', 'add', 'pod']);
    await node.createPod('pod');
    before = { interfaces: await node.machine.interfaces(), routes: await node.machine.routes() };
  }, START_MS);

  afterAll(async () => {
    await node?.stop();
  });

  afterEach(async () => {
    expect(await call('del')).toMatchObject({ code: 0 });
    // The kernel deletes links slowly, so the agent does it a little later, many at once.
    await until('the links are deleted', async () => {
      return (await node.machine.interfaces()).join() === before.interfaces.join();
    });
    expect((await node.machine.routes()).filter(each => !each.includes('/'))).toEqual(
      before.routes.filter(each => !each.includes('/')),
    );
    expect(await node.allocatedAddresses()).toBe(0);
  });

  test('ADD gives the interface and the address that the pod has; CHECK agrees; DEL may be repeated', async () => {
    const added = JSON.parse((await call('add')).stdout) as { ips: { address: string }[]; interfaces: object[] };
    const [link] = JSON.parse(await inPod('ip', '-j', '-4', 'address', 'show', 'dev', 'eth0')) as {
      addr_info: { local: string }[];
    }[];
    expect(added.ips.map(ip => ip.address)).toEqual([`${link?.addr_info[0]?.local}/32`]);
    expect(await call('check')).toMatchObject({ code: 0 });
    expect(await call('del')).toMatchObject({ code: 0 });
  });

  test('ADD again, as after a lost answer, gives the same address', async () => {
    const first = await call('add');
    expect(first.code).toBe(0);
    const second = await call('add');
    expect(JSON.parse(second.stdout).ips).toEqual(JSON.parse(first.stdout).ips);
  });

  const tampering: readonly { name: string; command: readonly string[] }[] = [
    { name: 'the address is taken from the pod', command: ['ip', 'address', 'flush', 'dev', 'eth0'] },
    { name: 'the default route of the pod is gone', command: ['ip', 'route', 'del', 'default'] },
    { name: 'the interface of the pod is down', command: ['ip', 'link', 'set', 'eth0', 'down'] },
  ];
  for (const { name, command } of tampering) {
    test(`CHECK fails and says what is wrong when ${name}`, async () => {
      expect(await call('add')).toMatchObject({ code: 0 });
      await inPod(...command);
      const checked = await call('check');
      expect(checked.code).not.toBe(0);
      expect(checked.stderr + checked.stdout).toMatch(/eth0|10\.77\.|route/);
    });
  }

  test('DEL of what never was, and of a namespace that is gone, succeeds', async () => {
    expect(await call('del')).toMatchObject({ code: 0 });
    expect(await call('add')).toMatchObject({ code: 0 });
    await node.machine.must(['ip', 'netns', 'del', 'pod']);
    expect(await call('del')).toMatchObject({ code: 0 });
    await node.machine.must(['ip', 'netns', 'add', 'pod']);
  });

  test('STATUS says whether pods can be had, and why not', async () => {
    expect(await call('status')).toMatchObject({ code: 0 });
    await node.stopAgent('SIGTERM');
    const { code, stderr, stdout } = await call('status');
    expect(code).not.toBe(0);
    expect(stderr + stdout).toContain('cni.sock');
    await node.startAgent();
    expect(await call('status')).toMatchObject({ code: 0 });
  });
});
