/** Objects as clients asked to see them: whole, as table rows, or only their metadata. */
import { type AnyResource, type Kind, printJson } from '@calico/api';
import type { Representation } from './accept.ts';
import type { Entry } from './collection.ts';

/** What table rows carry besides their cells (meta/v1 TableOptions). */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** How to print objects of one kind. */
export interface View {
  readonly kind: Kind;
  readonly form: Representation;
  readonly includeObject: IncludeObject;
}

/** The metadata of a list. */
export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** The object's text in the version that is asked for: versions of a custom kind differ in nothing else. */
function textOf(view: View, entry: Entry): string {
  const { apiVersion } = view.kind;
  return entry.object.apiVersion === apiVersion ? entry.json : printJson({ ...entry.object, apiVersion });
}

function partial(object: AnyResource): string {
  return `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":${printJson(object.metadata)}}`;
}

function columnDefinitions(kind: Kind): unknown[] {
  return kind.columns.map(({ name, type, format, description, priority }) => ({
    name,
    // The cell of a date column is already the printed age.
    type: type === 'date' ? 'string' : type,
    format,
    description,
    priority,
  }));
}

function row(view: View, entry: Entry, now: number): string {
  const cells = printJson(view.kind.columns.map(column => column.value(entry.object, now)));
  if (view.includeObject === 'None') return `{"cells":${cells}}`;
  const object = view.includeObject === 'Object' ? textOf(view, entry) : partial(entry.object);
  return `{"cells":${cells},"object":${object}}`;
}

/** Items between two texts, with commas. */
function* enclosed(head: string, entries: readonly Entry[], print: (entry: Entry) => string, tail: string) {
  yield head;
  for (const [at, entry] of entries.entries()) yield at === 0 ? print(entry) : `,${print(entry)}`;
  yield tail;
}

function table(view: View, entries: readonly Entry[], meta: ListMeta, now: number): Iterable<string> {
  const head = `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":${JSON.stringify(meta)},"columnDefinitions":${JSON.stringify(columnDefinitions(view.kind))},"rows":[`;
  return enclosed(head, entries, entry => row(view, entry, now), ']}');
}

/** One object in the wanted form, as JSON text. `now` is the wall time in ms, for ages. */
export function printEntry(view: View, entry: Entry, now: number): string {
  if (view.form === 'table')
    return [...table(view, [entry], { resourceVersion: String(entry.revision) }, now)].join('');
  return view.form === 'partial' ? partial(entry.object) : textOf(view, entry);
}

/** A list in the wanted form, as pieces of JSON text. Objects keep the text they were stored with. */
export function printList(view: View, entries: readonly Entry[], meta: ListMeta, now: number): Iterable<string> {
  if (view.form === 'table') return table(view, entries, meta, now);
  const [apiVersion, kind] =
    view.form === 'partial'
      ? ['meta.k8s.io/v1', 'PartialObjectMetadataList']
      : [view.kind.apiVersion, view.kind.listKind];
  const head = `{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(meta)},"items":[`;
  return enclosed(
    head,
    entries,
    entry => (view.form === 'partial' ? partial(entry.object) : textOf(view, entry)),
    ']}',
  );
}

/** A bookmark: no object, only how far the watch has come. */
export function printBookmark(view: View, revision: number, endOfInitial: boolean): string {
  const metadata = {
    resourceVersion: String(revision),
    ...(endOfInitial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
  };
  const { apiVersion, kind } = view.kind;
  if (view.form === 'table') {
    const object = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata };
    return JSON.stringify({
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata: { resourceVersion: metadata.resourceVersion },
      columnDefinitions: columnDefinitions(view.kind),
      rows: [{ cells: view.kind.columns.map(() => ''), object }],
    });
  }
  return view.form === 'partial'
    ? JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata })
    : JSON.stringify({ kind, apiVersion, metadata });
}
