import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pluginFiles } from '@calico/process/plugin-files';
import { buildKubernetes } from '../kubernetes/build.ts';
import { Machine, type Running, until } from './machine.ts';

/** The executable under test; `npm test` builds it. */
const executable = join(import.meta.dir, '../../dist/calico');

const nodeName = 'node-1';
const apiPort = 6443;
/** Where the plugins are, and the configuration that runtimes read: Calico's and the plugin for ports of the host. */
export const pluginFolder = '/opt/cni/bin';
export const configFolder = '/etc/cni/net.d';
/** The newest configuration, with Calico's plugin alone: not every plugin knows it yet. */
export const aloneFolder = '/etc/cni/alone.d';
export const networkName = 'k8s-pod-network';
/** Debian's reference plugins (containernetworking-plugins). */
const referencePlugins = '/usr/lib/cni';

/** A pod as the runtime knows it. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** A machine that is a node: an API server, a node agent, Calico's network configuration and plugins. */
export class KubernetesNode {
  readonly machine: Machine;
  readonly #kubectl: string;
  #api: Running | undefined;
  #agent: Running | undefined;

  private constructor(machine: Machine, kubectl: string) {
    this.machine = machine;
    this.#kubectl = kubectl;
  }

  static async start(): Promise<KubernetesNode> {
    const { kubectl } = await buildKubernetes(line => console.error(line));
    const node = new KubernetesNode(await Machine.start(), kubectl);
    try {
      await node.startApi();
      await node.apply(
        { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName }, spec: {} },
        {
          apiVersion: 'projectcalico.org/v3',
          kind: 'IPPool',
          metadata: { name: 'pods' },
          spec: { cidr: '10.77.0.0/16', natOutgoing: true },
        },
      );
      node.#install();
      await node.startAgent();
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  get kubeconfig(): string {
    return join(this.machine.folder, 'api', 'kubeconfig');
  }

  async startApi(): Promise<void> {
    const folder = join(this.machine.folder, 'api');
    this.#api = this.machine.start('API server', [
      executable,
      'api',
      'serve',
      '--folder',
      folder,
      '--port',
      `${apiPort}`,
    ]);
    await this.#untilUp(this.#api, async () => (await this.#runKubectl(['get', '--raw', '/readyz'])).code === 0);
  }

  async stopApi(signal: NodeJS.Signals): Promise<void> {
    await this.#api?.kill(signal);
  }

  async startAgent(): Promise<void> {
    this.#agent = this.machine.start('node agent', [executable, 'component', 'node'], {
      NODENAME: nodeName,
      IP: '172.31.7.1/24',
      DATASTORE_TYPE: 'kubernetes',
      KUBECONFIG: this.kubeconfig,
      CALICO_NETWORKING_BACKEND: 'none',
      FELIX_HEALTHENABLED: 'true',
      FELIX_DEFAULTENDPOINTTOHOSTACTION: 'ACCEPT',
    });
    const ready = ['curl', '--silent', '--fail', '--max-time', '2', 'http://127.0.0.1:9099/readiness'];
    await this.#untilUp(this.#agent, async () => (await this.machine.run(ready)).code === 0);
  }

  async stopAgent(signal: NodeJS.Signals): Promise<void> {
    await this.#agent?.kill(signal);
  }

  /** The end of the agent's log. */
  agentWords(): string {
    return this.#agent?.words() ?? '';
  }

  /** Applies objects with kubectl. */
  async apply(...objects: object[]): Promise<void> {
    const documents = objects.map(each => JSON.stringify(each)).join('\n---\n');
    await this.#must(['apply', '--server-side', '-f', '-'], documents);
  }

  /** Creates a pod that is bound to this node, as a scheduler leaves it. */
  async createPod(name: string, labels: Readonly<Record<string, string>> = {}): Promise<PodName> {
    await this.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', labels },
      spec: { nodeName, containers: [{ name: 'main', image: 'busybox' }] },
    });
    const uid = await this.#must(['get', 'pod', name, '-o', 'jsonpath={.metadata.uid}']);
    return { namespace: 'default', name, uid };
  }

  async deletePod(name: string): Promise<void> {
    await this.#must(['delete', 'pod', name, '--force', '--grace-period=0', '--ignore-not-found']);
  }

  /** What the pods' annotations say of their addresses. */
  async podAddresses(): Promise<(string | undefined)[]> {
    const pods = (await this.get('pods')) as { metadata: { annotations?: Record<string, string> } }[];
    return pods.map(pod => pod.metadata.annotations?.['cni.projectcalico.org/podIP']);
  }

  /** Reads objects as `kubectl get -o json` has them. */
  async get(resource: string): Promise<{ metadata: object; spec: { [field: string]: unknown } }[]> {
    return JSON.parse(await this.#must(['get', resource, '-A', '-o', 'json'])).items;
  }

  async delete(resource: string, name: string): Promise<void> {
    await this.#must(['delete', resource, name]);
  }

  /** How many addresses IPAM believes to be in use. */
  async allocatedAddresses(): Promise<number> {
    const blocks = await this.get('ipamblocks.projectcalico.org');
    return blocks.flatMap(block => block.spec.allocations as (number | null)[]).filter(each => each !== null).length;
  }

  async stop(): Promise<void> {
    await this.machine.stop();
  }

  /** Puts the plugins and the network configurations where runtimes look for them. */
  #install(): void {
    const { machine } = this;
    const bin = machine.path(pluginFolder);
    mkdirSync(bin, { recursive: true });
    for (const plugin of ['loopback', 'portmap', 'bandwidth', 'host-local']) {
      symlinkSync(join(referencePlugins, plugin), join(bin, plugin));
    }
    for (const [plugin, file] of pluginFiles(executable)) symlinkSync(file, join(bin, plugin));
    const calico = calicoPlugin(this.kubeconfig);
    const portmap = { type: 'portmap', snat: true, capabilities: { portMappings: true } };
    const configurations = [
      { folder: configFolder, cniVersion: '1.0.0', plugins: [calico, portmap] },
      { folder: aloneFolder, cniVersion: '1.1.0', plugins: [calico] },
    ];
    for (const { folder, ...list } of configurations) {
      mkdirSync(machine.path(folder), { recursive: true });
      const path = machine.path(join(folder, '10-calico.conflist'));
      writeFileSync(path, JSON.stringify({ name: networkName, ...list }), { mode: 0o600 });
    }
  }

  async #untilUp(program: Running, probe: () => Promise<boolean>): Promise<void> {
    let ended = false;
    void program.exited.then(() => {
      ended = true;
    });
    await until(`${program.name} is up`, async () => {
      if (ended) throw new Error(`Cannot start the ${program.name}: ${program.words()}`);
      return probe();
    });
  }

  #runKubectl(args: readonly string[], input?: string) {
    const options = input === undefined ? {} : { input };
    return this.machine.run([this.#kubectl, '--kubeconfig', this.kubeconfig, ...args], options);
  }

  async #must(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.#runKubectl(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }
}

/** The plugin as Calico's installer configures it. */
function calicoPlugin(kubeconfig: string): object {
  return {
    type: 'calico',
    log_level: 'info',
    datastore_type: 'kubernetes',
    nodename: nodeName,
    ipam: { type: 'calico-ipam' },
    policy: { type: 'k8s' },
    kubernetes: { kubeconfig },
    agent_timeout_seconds: 2,
  };
}
