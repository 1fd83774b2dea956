import type { CalicoctlColumn, CalicoctlTable, Resource } from '@calico/api';
import { Failure } from '../failure.ts';
import type { CtlKind } from '../kinds/ctl-kind.ts';
import type { CtlStore } from '../store.ts';
import { printColumns } from './columns.ts';
import type { Format } from './format.ts';
import { printJsonObjects, printYamlObjects, withoutManagedFields } from './objects.ts';

/** Objects of one kind that were found together. */
export interface Found {
  readonly kind: CtlKind;
  readonly resources: readonly Resource[];
  /** Of a listing; undefined for objects that were asked for by name. */
  readonly listVersion?: string;
}

/** What prints need beside the objects. */
export interface PrintOptions {
  readonly format: Format;
  /** Whether tables begin with the namespace; kinds without one never do. */
  readonly showNamespace: boolean;
  readonly store: CtlStore;
}

const NAMESPACE: CalicoctlColumn = { heading: 'NAMESPACE', value: r => r.metadata.namespace ?? '' };

/** Prints objects as `get` does. */
export async function printFound(found: readonly Found[], options: PrintOptions): Promise<string> {
  const { format, store } = options;
  if (format.kind === 'json' || format.kind === 'yaml') {
    const values = found.flatMap(documentsOf);
    const [first] = values;
    const value = values.length === 1 && first !== undefined ? first : values;
    return format.kind === 'json' ? printJsonObjects(value) : await printYamlObjects(value);
  }
  let text = '';
  for (const { kind, resources } of found) {
    const wide = format.kind === 'narrow' ? undefined : await kind.wideTable?.(store);
    const columns = chooseColumns(kind, wide ?? kind.table, options);
    text += printColumns([
      columns.map(column => column.heading),
      ...resources.map(resource => columns.map(column => column.value(resource))),
    ]);
  }
  return text;
}

function documentsOf({ kind, resources, listVersion }: Found): object[] {
  const shown = resources.map(withoutManagedFields);
  if (listVersion === undefined) return shown;
  const { apiVersion } = kind;
  return [{ kind: `${kind.kind}List`, apiVersion, metadata: { resourceVersion: listVersion }, items: shown }];
}

function chooseColumns(
  kind: CtlKind,
  table: CalicoctlTable,
  { format, showNamespace }: PrintOptions,
): readonly CalicoctlColumn[] {
  const front = kind.namespaced ? [NAMESPACE] : [];
  if (format.kind !== 'columns') {
    const columns = format.kind === 'wide' ? table.wide : table.narrow;
    return showNamespace ? [...front, ...columns] : columns;
  }
  const all = [...front, ...table.wide];
  return format.headings.map(heading => {
    const found = all.find(column => column.heading === heading.toUpperCase());
    if (found !== undefined) return found;
    const valid = all.map(column => column.heading).join(', ');
    throw new Failure(`unknown heading ${heading}, valid values are: ${valid}`);
  });
}
