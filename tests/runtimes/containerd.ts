import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cri, openCri } from './cri.ts';
import { imageName, writeImage } from './image.ts';
import { configFolder, type KubernetesNode, type PodName, pluginFolder } from './kubernetes-node.ts';
import { type Running, until } from './machine.ts';

const socket = '/run/containerd.sock';
const ctr = ['ctr', '--address', socket, '--namespace', 'k8s.io'];

/** containerd in a node's machine, spoken to as a kubelet does. */
export class Containerd {
  readonly #node: KubernetesNode;
  #cri: Cri | undefined;
  #daemon: Running | undefined;

  constructor(node: KubernetesNode) {
    this.#node = node;
  }

  async start(): Promise<void> {
    const { machine } = this.#node;
    writeFileSync(this.#config, containerdConfig);
    await this.#startDaemon();
    const archive = join(machine.folder, 'image.tar');
    writeImage(archive);
    await machine.must([...ctr, 'images', 'import', '--snapshotter', 'native', archive]);
  }

  /** Kills the daemon and starts it again; containers live on meanwhile. */
  async restart(): Promise<void> {
    this.#cri?.close();
    await this.#daemon?.kill('SIGKILL');
    await this.#startDaemon();
  }

  /** Makes the pod's sandbox, which calls the plugins. Gives its name. Throws what the runtime says. */
  async runSandbox(pod: PodName, attempt = 0, portMappings: readonly object[] = []): Promise<string> {
    const answer = await this.#call('RunPodSandbox', { config: sandboxConfig(pod, attempt, portMappings) });
    return String(answer.pod_sandbox_id);
  }

  /** The sandbox's address, as the runtime tells the kubelet. */
  async address(sandbox: string): Promise<string> {
    const { status } = (await this.#call('PodSandboxStatus', { pod_sandbox_id: sandbox })) as {
      status: { network: { ip: string } };
    };
    return status.network.ip;
  }

  /** Starts the container of the pod with a command. Gives its name. */
  async startContainer(sandbox: string, pod: PodName, command: readonly string[]): Promise<string> {
    const config = { metadata: { name: 'main', attempt: 0 }, image: { image: imageName }, command, linux: {} };
    const sandbox_config = sandboxConfig(pod, 0, []);
    const answer = await this.#call('CreateContainer', { pod_sandbox_id: sandbox, config, sandbox_config });
    const container_id = String(answer.container_id);
    await this.#call('StartContainer', { container_id });
    return container_id;
  }

  /** Runs a command in a container; gives its exit code. */
  async exec(container: string, cmd: readonly string[]): Promise<number> {
    const answer = await this.#call('ExecSync', { container_id: container, cmd, timeout: 20 });
    return Number(answer.exit_code);
  }

  /** Takes the sandbox's network away, which calls the plugins, and forgets it. */
  async removeSandbox(sandbox: string): Promise<void> {
    await this.#call('StopPodSandbox', { pod_sandbox_id: sandbox });
    await this.#call('RemovePodSandbox', { pod_sandbox_id: sandbox });
  }

  /** How many sandboxes the runtime knows, those that did not start too. */
  async sandboxes(): Promise<number> {
    return (await this.#listSandboxes()).length;
  }

  /** Removes all of them, as a kubelet does with what did not start. */
  async removeSandboxes(): Promise<void> {
    for (const { id } of await this.#listSandboxes()) await this.removeSandbox(id);
  }

  async stop(): Promise<void> {
    this.#cri?.close();
    await this.#daemon?.kill();
  }

  async #listSandboxes(): Promise<{ id: string }[]> {
    return (await this.#call('ListPodSandbox', {})).items as { id: string }[];
  }

  get #config(): string {
    return join(this.#node.machine.folder, 'containerd.toml');
  }

  async #startDaemon(): Promise<void> {
    const { machine } = this.#node;
    this.#daemon = machine.start('containerd', ['containerd', '--config', this.#config]);
    this.#cri = await openCri(machine.path(socket));
    const cri = this.#cri;
    await until('containerd answers', () =>
      cri.call('Status', {}).then(
        () => true,
        () => false,
      ),
    );
  }

  #call(method: string, request: object) {
    if (this.#cri === undefined) throw new Error('containerd is not started');
    return this.#cri.call(method, request);
  }
}

function sandboxConfig(pod: PodName, attempt: number, port_mappings: readonly object[]): object {
  return {
    metadata: { ...pod, attempt },
    hostname: pod.name,
    log_directory: '/run/pod-logs',
    port_mappings,
    linux: {},
  };
}

/** No control groups: they belong to the machine that the tests run on. */
const containerdConfig = `
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${imageName}"
  disable_cgroup = true
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${pluginFolder}"
    conf_dir = "${configFolder}"
`;
