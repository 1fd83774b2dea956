import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pluginFiles } from '@calico/process/plugin-files';
import { buildKubernetes } from '../kubernetes/build.ts';
import { type Done, Machine, type Running, until } from '../runtimes/machine.ts';

/** The executable under test; `npm test` builds it. */
export const executable = join(import.meta.dir, '../../dist/calico');
/** Debian's reference plugins (containernetworking-plugins). */
const referencePlugins = '/usr/lib/cni';
const pluginFolder = '/opt/cni/bin';
export const nodeName = 'node-1';
/** Where the minimal configuration finds its etcd. */
const etcdUrl = 'http://127.0.0.1:2379';
const apiPort = 6443;

/** A list of plugins, as a file of /etc/cni/net.d holds it. */
export interface PluginList {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly { readonly type: string; readonly [field: string]: unknown }[];
}

/** A container as a runtime knows it, in a network namespace of its own. */
export interface Container {
  readonly id: string;
  /** Its pod in namespace `default`; none for a container outside of Kubernetes. */
  readonly pod?: string;
  /** For plugins with capabilities, such as portMappings. */
  readonly runtimeConfig?: object;
}

/** What a list of plugins has made. */
export interface Result {
  readonly cniVersion?: string;
  readonly interfaces?: { name: string; mac?: string; sandbox?: string }[];
  readonly ips?: { address: string }[];
  readonly ip4?: { ip: string };
  readonly routes?: { dst: string }[];
}

/** A machine with plugins, and beside them what the test starts: an API server, an etcd, a node agent. */
export class CniNode {
  static readonly agentCommand: readonly string[] = [executable, 'component', 'node'];
  readonly machine: Machine;
  readonly #programs = new Map<string, Running>();

  private constructor(machine: Machine) {
    this.machine = machine;
  }

  static async start(): Promise<CniNode> {
    const machine = await Machine.start();
    const bin = machine.path(pluginFolder);
    mkdirSync(bin, { recursive: true });
    for (const name of ['portmap', 'bandwidth', 'host-local'])
      symlinkSync(join(referencePlugins, name), join(bin, name));
    for (const [name, file] of pluginFiles(executable)) symlinkSync(file, join(bin, name));
    writeFileSync(machine.path('/var/lib/calico/nodename'), nodeName);
    return new CniNode(machine);
  }

  get kubeconfig(): string {
    return join(this.machine.folder, 'api', 'kubeconfig');
  }

  /** The embedded API server, with this node and an IPv4 and an IPv6 pool. */
  async startApi(): Promise<void> {
    const folder = join(this.machine.folder, 'api');
    this.#start('API server', [executable, 'api', 'serve', '--folder', folder, '--port', `${apiPort}`]);
    await until('the API server is up', async () => (await this.#tryKubectl(['get', '--raw', '/readyz'])).code === 0);
  }

  /** An etcd with nothing in it. */
  async startEtcd(): Promise<void> {
    const folder = join(this.machine.folder, 'etcd');
    const url = [`--listen-client-urls=${etcdUrl}`, `--advertise-client-urls=${etcdUrl}`];
    this.#start('etcd', ['etcd', `--data-dir=${folder}`, '--unsafe-no-fsync', '--log-level=error', ...url]);
    await until('etcd is up', async () => (await this.machine.run(['etcdctl', 'endpoint', 'health'])).code === 0);
  }

  /** A node agent; ready once it answers so. `command` runs something else than the executable. */
  async startAgent(env: Readonly<Record<string, string>>, command = CniNode.agentCommand): Promise<void> {
    this.#start('agent', command, {
      NODENAME: nodeName,
      IP: '172.31.7.1/24',
      CALICO_NETWORKING_BACKEND: 'none',
      FELIX_HEALTHENABLED: 'true',
      FELIX_DEFAULTENDPOINTTOHOSTACTION: 'ACCEPT',
      ...env,
    });
  }

  async untilAgentReady(): Promise<void> {
    const ready = ['curl', '--silent', '--fail', '--max-time', '2', 'http://127.0.0.1:9099/readiness'];
    await until('the agent is ready', async () => (await this.machine.run(ready)).code === 0);
  }

  /** Whether a program has ended by itself. */
  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#programs.get(name)?.kill(signal);
  }

  /** Resolves when a program ends. */
  async ended(name: string): Promise<void> {
    await this.#programs.get(name)?.exited;
  }

  /** The end of what a program wrote. */
  words(name: string): string {
    return this.#programs.get(name)?.words() ?? '';
  }

  /** Applies objects with calicoctl to a datastore, else to the API server with kubectl. */
  async apply(to: 'etcd' | 'api', ...objects: object[]): Promise<void> {
    const input = objects.map(each => JSON.stringify(each)).join('\n---\n');
    if (to === 'api') {
      await this.kubectl(['apply', '--server-side', '-f', '-'], input);
      return;
    }
    const env = { DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: etcdUrl };
    await this.machine.must([executable, 'ctl', 'apply', '-f', '-'], { env, input });
  }

  /** What calicoctl prints about etcd; parsed where it is JSON. */
  async ctl(...args: string[]): Promise<unknown> {
    const env = { DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: etcdUrl };
    const text = await this.machine.must([executable, 'ctl', ...args], { env });
    return text.startsWith('{') ? JSON.parse(text) : text;
  }

  async kubectl(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.#tryKubectl(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** The plugins of a list one after the other, each given what the one before made; in reverse for a DEL. */
  async call(
    command: 'ADD' | 'CHECK' | 'DEL',
    list: PluginList,
    container: Container,
    result?: Result,
  ): Promise<Result | undefined> {
    const plugins = command === 'DEL' ? list.plugins.toReversed() : list.plugins;
    let previous = result;
    for (const plugin of plugins) {
      const { cniVersion, name } = list;
      const input = JSON.stringify({
        ...plugin,
        cniVersion,
        name,
        ...(previous === undefined ? {} : { prevResult: previous }),
        ...(container.runtimeConfig === undefined ? {} : { runtimeConfig: container.runtimeConfig }),
      });
      const done = await this.plugin(command, plugin.type, container, input);
      if (done.code !== 0)
        throw new Error(`${command} by ${plugin.type} ended with ${done.code}: ${done.stdout}${done.stderr}`);
      if (command === 'ADD') previous = JSON.parse(done.stdout);
    }
    return command === 'ADD' ? previous : undefined;
  }

  /** One plugin, called as a runtime does. */
  async plugin(command: string, type: string, container: Container, input: string): Promise<Done> {
    return await this.machine.run([join(pluginFolder, type)], { env: parameters(command, container), input });
  }

  /** Starts another program in the plugin's place; what it prints is in its words. */
  startPlugin(command: string, container: Container, input: string, program: readonly string[]): Running {
    const file = join(this.machine.folder, `${container.id}.json`);
    writeFileSync(file, input);
    const reading = ['sh', '-c', `exec "$@" < ${file}`, 'sh', ...program];
    return this.machine.start('plugin', reading, parameters(command, container));
  }

  /** Makes a pod of this node, and the namespace that a runtime makes for it. */
  async newPod(pod: string): Promise<Container & { readonly pod: string }> {
    const container = { id: `${pod}0123456789abcdef`, pod };
    await this.apply('api', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod, namespace: 'default' },
      spec: { nodeName, containers: [{ name: 'main', image: 'busybox' }] },
    });
    await this.addNamespace(container);
    return container;
  }

  async addNamespace({ id }: Container): Promise<void> {
    await this.machine.must(['ip', 'netns', 'add', id]);
    await this.machine.must(['ip', '-n', id, 'link', 'set', 'lo', 'up']);
  }

  async deleteNamespace({ id }: Container): Promise<void> {
    await this.machine.must(['ip', 'netns', 'delete', id]);
  }

  /** Whether the node reaches an address by its first packet. */
  async reaches(address: string): Promise<boolean> {
    return (await this.machine.run(['busybox', 'ping', '-c', '1', '-W', '1', address])).code === 0;
  }

  /** A file inside, undefined when there is none. */
  read(path: string): string | undefined {
    const whole = this.machine.path(path);
    return existsSync(whole) ? readFileSync(whole, 'utf8') : undefined;
  }

  /** All that a container could leave in the kernel and on disk. */
  async traces(): Promise<{ interfaces: string[]; routes: string[] }> {
    return { interfaces: await this.machine.interfaces(), routes: await this.machine.routes() };
  }

  async stop(): Promise<void> {
    await this.machine.stop();
  }

  #start(name: string, command: readonly string[], env: Readonly<Record<string, string>> = {}): void {
    this.#programs.set(name, this.machine.start(name, command, env));
  }

  async #tryKubectl(args: readonly string[], input?: string): Promise<Done> {
    const { kubectl } = await buildKubernetes(line => console.error(line));
    const options = input === undefined ? {} : { input };
    return await this.machine.run([kubectl, '--kubeconfig', this.kubeconfig, ...args], options);
  }
}

/** The address of a result, without its length. */
export function addressOf(result: Result | undefined): string {
  return (result?.ips?.[0]?.address ?? result?.ip4?.ip ?? '').split('/')[0] ?? '';
}

/** The parameters of a plugin's call. CNI specification 1.1.0, "Parameters". */
function parameters(command: string, { id, pod }: Container): Record<string, string> {
  const podArgs =
    pod === undefined ? '' : `;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod};K8S_POD_INFRA_CONTAINER_ID=${id}`;
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_NETNS: `/run/netns/${id}`,
    CNI_IFNAME: 'eth0',
    CNI_PATH: pluginFolder,
    CNI_ARGS: `IgnoreUnknown=1${podArgs}`,
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  };
}
