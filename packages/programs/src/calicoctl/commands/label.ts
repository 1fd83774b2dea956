import { isLabelValue, isQualifiedName, Node, type Resource } from '@calico/api';
import { isConflict } from '@calico/datastore';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { ctlKindByName } from '../kinds/registry.ts';
import { chosenNamespace } from '../namespaces.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `label`. */
export interface LabelFlags extends ConnectionFlags {
  readonly namespace?: string;
  readonly overwrite?: boolean;
  /** Takes the label away; then only its key is given. */
  readonly remove?: boolean;
}

const TRIES = 5;

/** `calicoctl label KIND NAME key=value`, or `key --remove`. */
export async function runLabel(
  [word = '', name = '', text = '']: readonly string[],
  flags: LabelFlags,
  world: World,
): Promise<void> {
  const kind = ctlKindByName(word);
  const namespace = chosenNamespace(kind, flags);
  const { label, value } = parseLabel(text, flags.remove === true);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const what = `${kind.kind} ${name}`;
  const change = async (): Promise<string> => {
    const current = await kind.get(store, namespace === undefined ? { name } : { name, namespace });
    const old = current.metadata.labels?.[label];
    if (value === undefined && old === undefined) throw new Error(`it has no label ${label}`);
    if (value !== undefined && old !== undefined && old !== value && flags.overwrite !== true)
      throw new Error(`label ${label} is "${old}"; use --overwrite to change it`);
    if (value === undefined && kind.kind === 'Node' && store.type === 'kubernetes') {
      // Updates of nodes leave Kubernetes' labels that they do not name.
      await store.client.patch(Node, { name }, { metadata: { labels: { [label]: null } } }, { type: 'merge' });
    } else await kind.update(store, withLabel(current, label, value), current);
    if (value === undefined) return `Successfully removed label ${label} from ${what}\n`;
    return `Successfully ${old === undefined ? 'set' : 'updated'} label ${label} on ${what}\n`;
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return world.out(await change());
    } catch (err) {
      if (isConflict(err) && attempt < TRIES) continue;
      throw new Failure(`failed to label ${what}: ${errorText(err)}`);
    }
  }
}

function parseLabel(text: string, remove: boolean): { label: string; value: string | undefined } {
  const at = text.indexOf('=');
  const label = at < 0 ? text : text.slice(0, at);
  const value = at < 0 ? undefined : text.slice(at + 1);
  if (remove && value !== undefined) throw new Failure(`the label is "${text}"; allowed with --remove: its key`);
  if (!remove && value === undefined)
    throw new Failure(`the label is "${text}"; allowed: key=value, or a key with --remove`);
  if (!isQualifiedName(label)) throw new Failure(`the key of the label is "${label}"; allowed: a qualified name`);
  if (value !== undefined && !isLabelValue(value))
    throw new Failure(
      `the value of label ${label} is "${value}"; allowed: at most 63 letters, digits, "-", "_" and "."`,
    );
  return { label, value };
}

function withLabel(resource: Resource, label: string, value: string | undefined): Resource {
  const { [label]: _old, ...labels } = resource.metadata.labels ?? {};
  const next = value === undefined ? labels : { ...labels, [label]: value };
  return { ...resource, metadata: { ...resource.metadata, labels: next } };
}
