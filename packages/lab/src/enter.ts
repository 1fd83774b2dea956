import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pod } from '@calico/api';
import { kubernetesClient, loadKubeconfig } from '@calico/datastore/kubernetes';
import { namespaceFolder } from './fabric.ts';
import { runningLabs } from './lab-folder.ts';
import { runFolder } from './protocol.ts';

/**
 * Runs a shell, or one command, inside a pod (`namespace/name`, or a name in the namespace default) or a node of this
 * user's newest running lab. Gives the command's exit code.
 */
export async function enterLab(name: string, command: readonly string[]): Promise<number> {
  const [lab] = runningLabs();
  if (lab === undefined) throw new Error('Cannot enter a lab: none of yours is running. Start one: npm start');
  const netns = await namespaceOf(name, lab.kubeconfig);
  // The lab's own user namespace, where it has one: root needs none.
  const ownUser = readFileSync('/proc/self/uid_map', 'utf8') === readFileSync(`/proc/${lab.innerPid}/uid_map`, 'utf8');
  const enter = [
    '--target',
    String(lab.innerPid),
    '--mount',
    '--pid',
    ...(ownUser ? [] : ['--user', '--preserve-credentials']),
  ];
  // `lab shell POD -- COMMAND`: the dashes end the options, they are no part of the command.
  const words = command[0] === '--' ? command.slice(1) : command;
  const shell = words.length > 0 ? words : [process.env.SHELL ?? '/bin/sh'];
  const env = { ...process.env, PS1: `${name} $ `, ...(isMachine(name) ? nodeEnvironment(name, lab.folder) : {}) };
  const done = spawnSync('nsenter', [...enter, '--', 'nsenter', `--net=${netns}`, '--', ...shell], {
    stdio: 'inherit',
    env,
  });
  if (done.error) throw done.error;
  return done.status ?? 1;
}

function isMachine(name: string): boolean {
  return /^(node\d+|router|external)$/.test(name);
}

/** On a node calicoctl finds BIRD's socket, and the API server where nodes reach it. */
function nodeEnvironment(name: string, folder: string): Record<string, string> {
  const own = join(runFolder, name);
  return {
    PATH: `${join(own, 'bin')}:${process.env.PATH ?? ''}:/usr/sbin:/sbin`,
    CALICO_RUN_DIR: join(own, 'run'),
    KUBECONFIG: join(folder, 'kubeconfig-inner'),
    DATASTORE_TYPE: 'kubernetes',
  };
}

async function namespaceOf(name: string, kubeconfig: string): Promise<string> {
  if (isMachine(name)) return `${namespaceFolder}/${name}`;
  const client = kubernetesClient(loadKubeconfig({ path: kubeconfig }));
  const [namespace = 'default', podName = ''] = name.includes('/') ? name.split('/') : ['default', name];
  const pod = await client.get(Pod, { namespace, name: podName });
  const id = pod.metadata.annotations?.['cni.projectcalico.org/containerID'];
  if (id === undefined) throw new Error(`Cannot enter pod ${namespace}/${podName}: it has no network yet`);
  return `${namespaceFolder}/cni-${id.slice(0, 12)}`;
}
