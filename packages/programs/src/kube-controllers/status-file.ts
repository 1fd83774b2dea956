import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** What a part of kube-controllers says of itself, in the words of Calico's status file. */
export interface PartStatus {
  readonly Ready: boolean;
  /** Why not; empty when ready. */
  readonly Reason: string;
}

/** The parts that there are. */
export type Part = 'Startup' | 'CalicoDatastore' | 'KubeAPIServer';

/** Where Calico's kube-controllers writes it. */
export const STATUS_FILE = '/status/status.json';

/**
 * The readiness of the parts, in a file that other processes read: `{"Readiness":{"<part>":{"Ready":…,"Reason":…}}}`. It is
 * replaced as a whole, so no reader sees a half of it.
 */
export class StatusFile {
  readonly #path: string;
  readonly #parts = new Map<Part, PartStatus>();
  readonly #onTrouble: (error: Error) => void;
  #trouble: string | undefined;

  /** @param onTrouble told once when the file can't be written; the process works without it. */
  constructor(path: string, onTrouble: (error: Error) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
  }

  /** Notes how a part is; writes the file when that is new. */
  set(part: Part, ready: boolean, reason = ''): void {
    const before = this.#parts.get(part);
    this.#parts.set(part, { Ready: ready, Reason: reason });
    if (before?.Ready !== ready || before.Reason !== reason || this.#trouble !== undefined) this.#write();
  }

  /** Whether every part is ready, and the reasons of those that are not. */
  get summary(): { readonly ready: boolean; readonly reasons: string[] } {
    return summaryOf(Object.fromEntries(this.#parts));
  }

  #write(): void {
    const temporary = `${this.#path}.${process.pid}`;
    try {
      writeFileSync(temporary, `${JSON.stringify({ Readiness: Object.fromEntries(this.#parts) })}\n`);
      renameSync(temporary, this.#path);
      this.#trouble = undefined;
    } catch (cause) {
      const text = `Cannot write the status file "${this.#path}": ${codeOf(cause)}; mount a folder there that is writable, or choose another by --status-file`;
      if (text !== this.#trouble) this.#onTrouble(new Error(text, { cause }));
      this.#trouble = text;
    }
  }
}

/** Reads a status file. Throws an Error that names it when it is missing or none. */
export function readStatusFile(path: string): { readonly ready: boolean; readonly reasons: string[] } {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Error(`Cannot read the status file "${path}": ${codeOf(cause)}`, { cause });
  }
  const parts = Object(content).Readiness;
  if (typeof parts !== 'object' || parts === null) {
    throw new Error(`Cannot read the status file "${path}": Readiness is ${JSON.stringify(parts)}; allowed: an object`);
  }
  return summaryOf(parts as Record<string, PartStatus>);
}

function summaryOf(parts: Readonly<Record<string, PartStatus>>): { ready: boolean; reasons: string[] } {
  const bad = Object.entries(parts).filter(([, part]) => part?.Ready !== true);
  const none = Object.keys(parts).length === 0;
  return {
    ready: bad.length === 0 && !none,
    reasons: none
      ? ['nothing has been reported yet']
      : bad.map(([name, part]) => `${name}: ${part?.Reason || 'not ready'}`),
  };
}

function codeOf(cause: unknown): string {
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
}
