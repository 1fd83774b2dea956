import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AnyResource,
  type Kind,
  kindOf,
  kinds,
  printFieldError,
  printJson,
  type Resource,
  unknownFields,
} from '@calico/api';
import { unsupportedFields } from '@calico/calc';
import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { plainJson } from './plain-json.ts';

/** One object of a manifest, with its place. */
export interface ManifestObject {
  readonly file: string;
  readonly kind: Kind;
  readonly resource: Resource;
}

/** Everything that is wrong with the user's manifests, a line each. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Largest file that is read, in bytes: what a Kubernetes API server would take of one object, times a hundred. */
const largestFile = 150 * 1024 * 1024;

/** YAML aliases may not multiply a document beyond this many nodes. */
const mostAliases = 100;

/** So many problems of one document are named; one slip can make every later line wrong. */
const mostProblems = 10;

/** Longest line about a problem, in characters. */
const longestProblem = 2000;

/**
 * Reads YAML and JSON files, and folders of them, into objects that the lab can run. Throws ManifestError that names
 * file, line, object, field and value of everything that is wrong; nothing of it is applied then.
 */
export function readManifests(paths: readonly string[]): ManifestObject[] {
  const problems: string[] = [];
  const objects = paths.flatMap(path => filesOf(path, problems)).flatMap(file => readFile(file, problems));
  if (objects.length === 0 && problems.length === 0)
    problems.push(`${paths.join(', ')}: no object in any .yaml, .yml or .json file`);
  if (problems.length > 0) throw new ManifestError(problems.map(printable));
  return objects;
}

function filesOf(path: string, problems: string[]): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    problems.push(`${path}: no such file or folder`);
    return [];
  }
  if (!stat.isDirectory()) return [path];
  const entries = readdirSync(path, { withFileTypes: true });
  const chosen = entries.filter(
    e => e.isDirectory() || (/\.(ya?ml|json)$/.test(e.name) && e.name !== 'kustomization.yaml'),
  );
  return chosen.sort((a, b) => a.name.localeCompare(b.name)).flatMap(e => filesOf(join(path, e.name), problems));
}

function readFile(file: string, problems: string[]): ManifestObject[] {
  if (statSync(file).size > largestFile) {
    problems.push(`${file}: larger than ${largestFile} bytes`);
    return [];
  }
  const bytes = readFileSync(file);
  if (!isUtf8(bytes)) {
    const line = bytes.toString('utf8').split('\ufffd')[0]?.split('\n').length;
    problems.push(`${file}:${line}: bytes that are no UTF-8 text`);
    return [];
  }
  const lines = new LineCounter();
  // A key that is a list or a map becomes text, and is an unknown field then: no need for the library's own warning.
  const options = { lineCounter: lines, uniqueKeys: true, intAsBigInt: true, logLevel: 'error' } as const;
  const documents = parseAllDocuments(bytes.toString('utf8'), options);
  if ('empty' in documents) return [];
  return documents.flatMap(document => {
    const broken = [...document.errors];
    for (const error of broken.slice(0, mostProblems)) {
      const at = lines.linePos(error.pos[0]);
      problems.push(`${file}:${at.line}:${at.col}: ${inWords(error)}`);
    }
    if (broken.length > mostProblems) problems.push(`${file}: ${broken.length - mostProblems} further problems`);
    if (broken.length > 0) return [];
    const line = lines.linePos(document.range[0]).line;
    return toObjects(file, line, toPlain(document, `${file}:${line}`, problems), problems);
  });
}

/** The document's value; undefined, and a problem more, when it is not JSON or its aliases multiply beyond all bounds. */
function toPlain(document: Document.Parsed, place: string, problems: string[]): unknown {
  try {
    return plainJson(document.toJS({ maxAliasCount: mostAliases }));
  } catch (error) {
    problems.push(`${place}: ${inWords(error)}`);
    return undefined;
  }
}

/** The first line of what a reader says; that it ran out of stack means deep nesting. */
function inWords(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.includes('Maximum call stack') ? 'nested too deep' : (text.split('\n')[0] ?? '');
}

/** A problem as a terminal may see it: one line of bounded length, control characters written as escapes. */
function printable(problem: string): string {
  const text = problem.length > longestProblem ? `${problem.slice(0, longestProblem)}…` : problem;
  return text.replace(/\p{Cc}/gu, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function toObjects(file: string, line: number, value: unknown, problems: string[]): ManifestObject[] {
  if (value === null || value === undefined) return [];
  if (typeof value !== 'object' || Array.isArray(value)) {
    problems.push(`${file}:${line}: an object was expected, this is ${printJson(value).slice(0, 60)}`);
    return [];
  }
  const object = value as AnyResource & { items?: unknown };
  if (object.kind === 'List' && Array.isArray(object.items)) {
    return object.items.flatMap(item => toObjects(file, line, item, problems));
  }
  const kind = kindOf(object.apiVersion, object.kind);
  const name = `${word(object.kind ?? 'object without kind')} ${printJson(object.metadata?.name ?? '')}`;
  if (kind === undefined) {
    const known = kinds
      .map(k => k.kind)
      .sort()
      .join(', ');
    problems.push(
      `${file}: ${name}: the lab does not run kind "${word(object.kind)}" of "${word(object.apiVersion)}"; allowed: ${known}`,
    );
    return [];
  }
  const resource = withNamespace(object as Resource, kind);
  const wrong = [
    ...unknownFields(kind, resource).map(path => `${path}: unknown field`),
    ...kind.validate(kind.default(resource)).map(printFieldError),
    ...(isEnforcedByNodes(kind) ? unsupportedFields(resource) : []).map(printFieldError),
  ];
  for (const error of wrong) problems.push(`${file}: ${name}: ${error}`);
  return wrong.length > 0 ? [] : [{ file, kind, resource }];
}

/** A word of the object as it stands in a problem, also where it is no word. */
function word(value: unknown): string {
  return typeof value === 'object' ? printJson(value) : String(value);
}

/** Whether objects of this kind ask something of the nodes that they may be unable to do. */
function isEnforcedByNodes({ group }: Kind): boolean {
  return group === 'projectcalico.org';
}

function withNamespace(resource: Resource, kind: Kind): Resource {
  if (!kind.namespaced || resource.metadata?.namespace !== undefined) return resource;
  return { ...resource, metadata: { ...resource.metadata, namespace: 'default' } };
}
