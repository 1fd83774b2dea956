import { chownSync, lchownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../datastore/config.ts';
import { readNodeEnvironment } from './environment.ts';

/**
 * `calico component node hostpath-init`: makes the folders that a node uses on its host and gives them to the user of
 * NODE_USER_ID, 1000 unless set. `logs` is where logs are. Gives 0; rejects with what can't be made.
 */
export async function runHostpathInit(env: Environment, logs = '/var/log/calico'): Promise<number> {
  const text = env.NODE_USER_ID || '1000';
  if (!/^\d{1,9}$/.test(text)) {
    throw new Error(`Cannot make folders of the host: NODE_USER_ID is "${text}"; allowed: the number of a user`);
  }
  const user = Number(text);
  const { libFolder, runFolder } = readNodeEnvironment(env);
  const pluginLogs = join(logs, 'cni');
  for (const folder of [libFolder, runFolder, logs, pluginLogs]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chownSync(folder, user, 0);
  }
  // The plugin, which is root, may have made some before. Links are not followed: that user may have put them there.
  for (const entry of readdirSync(pluginLogs, { recursive: true })) {
    lchownSync(join(pluginLogs, String(entry)), user, 0);
  }
  return 0;
}
