import { rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageName, writeImage } from './image.ts';
import { pluginFolder } from './kubernetes-node.ts';
import type { Done, Machine } from './machine.ts';

/** podman in a machine, with CNI networking. */
export class Podman {
  readonly #machine: Machine;
  /** Control groups are the host's: those of this test are in one of its own. */
  readonly #group: string;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#group = `calico-${process.pid}`;
  }

  /** Writes podman's configuration and loads the image. */
  async start(): Promise<void> {
    writeFileSync(this.#machine.path('/etc/containers/containers.conf'), configuration);
    const anything = { default: [{ type: 'insecureAcceptAnything' }] };
    writeFileSync(this.#machine.path('/etc/containers/policy.json'), JSON.stringify(anything));
    const archive = join(this.#machine.folder, 'image.tar');
    writeImage(archive);
    await this.must('load', '--input', archive);
  }

  /** Runs podman; gives what it printed. Throws what it says when it fails. */
  async must(...args: string[]): Promise<string> {
    return (await this.#machine.must(['podman', '--storage-driver=vfs', ...args])).trim();
  }

  async try(...args: string[]): Promise<Done> {
    return await this.#machine.run(['podman', '--storage-driver=vfs', ...args]);
  }

  /** Starts a container in the background with a command. */
  async run(name: string, network: string, options: readonly string[], command: readonly string[]): Promise<Done> {
    const own = ['--detach', '--name', name, '--network', network, `--cgroup-parent=/${this.#group}`];
    return await this.try('run', ...own, ...options, '--entrypoint', '[]', imageName, ...command);
  }

  /** The address that podman believes a container to have. */
  async address(name: string, network: string): Promise<string> {
    return await this.must('inspect', '--format', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name);
  }

  /** Removes the control groups, which are the host's. */
  stop(): void {
    const roots = [
      'blkio',
      'cpu',
      'cpuacct',
      'cpuset',
      'devices',
      'freezer',
      'memory',
      'pids',
      'systemd',
      'unified',
      '',
    ];
    for (const root of roots) {
      for (const group of [join(this.#group, 'conmon'), this.#group]) {
        try {
          rmdirSync(join('/sys/fs/cgroup', root, group));
        } catch {
          // It is not there under this hierarchy.
        }
      }
    }
  }
}

/** runc, since Debian's crun refuses machines with control groups of both versions. */
const configuration = `
[containers]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "cni"
cni_plugin_dirs = ["${pluginFolder}"]
`;
