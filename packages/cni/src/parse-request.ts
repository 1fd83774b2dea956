import { errorCodes } from './cni-error.ts';
import type { CniAnswer, CniRequest } from './protocol.ts';

const commands: readonly unknown[] = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'];
const plugins: readonly unknown[] = ['calico', 'calico-ipam'];
const parameters = ['containerId', 'netns', 'ifname', 'args'];

/** Reads a request, or gives the answer that says what is wrong with it (CNI error 6). */
export function parseRequest(line: string): CniRequest | Extract<CniAnswer, { error: unknown }> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return refuse('it is no JSON');
  }
  if (!isFields(value)) return refuse('it is no object');
  if (!plugins.includes(value.plugin)) return refuse(`plugin is ${JSON.stringify(value.plugin)}`);
  if (!commands.includes(value.command)) return refuse(`command is ${JSON.stringify(value.command)}`);
  const given = value.parameters;
  if (!isFields(given) || parameters.some(name => typeof given[name] !== 'string'))
    return refuse('parameters lack text');
  if (!isFields(value.config) || typeof value.config.name !== 'string') return refuse('config lacks a name');
  return value as unknown as CniRequest;
}

function isFields(value: unknown): value is { [field: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(reason: string): { readonly error: { readonly code: number; readonly msg: string } } {
  return { error: { code: errorCodes.undecodable, msg: `Cannot read request: ${reason}` } };
}
