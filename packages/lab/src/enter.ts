import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Pod } from '@calico/api';
import { kubernetesClient, loadKubeconfig } from '@calico/datastore/kubernetes';
import { namespaceFolder } from './fabric.ts';
import { runningLabs } from './lab-folder.ts';

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
  const env = { ...process.env, PS1: `${name} $ `, KUBECONFIG: lab.kubeconfig };
  const done = spawnSync('nsenter', [...enter, '--', 'nsenter', `--net=${netns}`, '--', ...shell], {
    stdio: 'inherit',
    env,
  });
  if (done.error) throw done.error;
  return done.status ?? 1;
}

async function namespaceOf(name: string, kubeconfig: string): Promise<string> {
  if (!name.includes('/') && /^(node\d+|router|external)$/.test(name)) return `${namespaceFolder}/${name}`;
  const client = kubernetesClient(loadKubeconfig({ path: kubeconfig }));
  const [namespace = 'default', podName = ''] = name.includes('/') ? name.split('/') : ['default', name];
  const pod = await client.get(Pod, { namespace, name: podName });
  const id = pod.metadata.annotations?.['cni.projectcalico.org/containerID'];
  if (id === undefined) throw new Error(`Cannot enter pod ${namespace}/${podName}: it has no network yet`);
  return `${namespaceFolder}/cni-${id.slice(0, 12)}`;
}
