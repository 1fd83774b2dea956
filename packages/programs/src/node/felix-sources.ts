import { readFileSync } from 'node:fs';
import { mergeParameters } from '@calico/calc';
import type { Environment } from '../datastore/config.ts';

/** Where Felix looks for its configuration file. */
const defaultFile = '/etc/calico/felix.cfg';

/** The variable that names another file; every other `FELIX_…` is a parameter. */
const fileVariable = 'FELIX_CONFIG';

/**
 * What this node says itself of Felix's parameters, raw: its environment, then its configuration file. Both beat every
 * FelixConfiguration. Throws an Error that names the file when it is there and cannot be read, or is not ini.
 */
export function localParameters(env: Environment): Record<string, string> {
  return mergeParameters(fileParameters(env[fileVariable] || defaultFile), environmentParameters(env));
}

/** `FELIX_<name>` in any case. */
function environmentParameters(env: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, text] of Object.entries(env)) {
    if (text === undefined || !/^felix_./i.test(key) || key === fileVariable) continue;
    found[key.slice('FELIX_'.length)] = text;
  }
  return found;
}

function fileParameters(path: string): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')) return {};
    throw new Error(`Cannot read ${path}, Felix's configuration file: ${(cause as Error).message}`, { cause });
  }
  return parseIni(text, path);
}

/** The keys of all sections; `#` and `;` start comments. Throws an Error that names the line that is none of these. */
function parseIni(text: string, path: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [i, line] of text.split('\n').entries()) {
    const content = line.replace(/(^|\s)[#;].*$/, '').trim();
    if (content === '' || /^\[.*\]$/.test(content)) continue;
    const [, name, value = ''] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(content) ?? [];
    if (name === undefined) {
      throw new Error(`Cannot read ${path}, line ${i + 1}: "${content}"; allowed: [section], Name = value, # comment`);
    }
    found[name] = value.replace(/^(["'])(.*)\1$/, '$2');
  }
  return found;
}
