import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EndpointId } from '@calico/calc';
import { RepeatedWork } from '@calico/node';
import type { Component, Logger } from '@calico/process';
import type { Clock, Random } from '@calico/reconcile';
import { statusFileContent, statusFileName, statusFolder } from '../endpoint-status-file.ts';
import type { EndpointStatus, StatusListener } from './endpoint-statuses.ts';

/** What status files are kept with. */
export interface StatusFilesOptions {
  /** EndpointStatusPathPrefix; empty: no files. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How often the folder is looked at for what others have changed, in ms; Calico's own. */
const lookInterval = 10_000;
const delays = { base: 50, max: 5_000 };
/** The mode of Calico's. */
const fileMode = 0o644;

/**
 * A file for each endpoint that is up, in `<prefix>/endpoint-status`: a CNI plugin without an agent starts pods once it is there.
 * Each is put in its place by a rename. Files of endpoints that are gone go too, also those that an earlier run left.
 */
export class StatusFiles implements StatusListener, Component {
  readonly name = 'endpoint status files';
  readonly #work: RepeatedWork;
  readonly #clock: Pick<Clock, 'now'>;
  #prefix: string;
  /** The content of each file, by endpoint. */
  readonly #wanted = new Map<EndpointId, { readonly file: string; readonly content: string }>();
  /** What was last read or written; undefined where the folder is not known yet. */
  #written: Map<string, string> | undefined;
  /** When the folder was last looked at, by the clock. */
  #lookedAt = 0;
  #inSync = false;

  constructor(options: StatusFilesOptions) {
    const { clock, random, log, prefix } = options;
    this.#prefix = prefix;
    this.#clock = clock;
    this.#work = new RepeatedWork({
      ...{ clock, random, delays, intervalMs: lookInterval },
      work: signal => this.#sync(signal).catch(error => this.#startAnew(error)),
      onRound: failure =>
        failure && log.warn({ err: failure.error, retryMs: failure.retryMs }, 'Status files could not be written'),
    });
  }

  changed(id: EndpointId, status: EndpointStatus | undefined): void {
    const { endpoint, up } = status ?? {};
    const before = this.#wanted.get(id);
    if (!up || endpoint?.key === undefined) this.#wanted.delete(id);
    else this.#wanted.set(id, { file: statusFileName(endpoint.key), content: statusFileContent(endpoint) });
    const now = this.#wanted.get(id);
    // A change of its policies alone changes no file.
    if (now?.file === before?.file && now?.content === before?.content) return;
    if (this.#inSync) this.#work.ask();
  }

  inSync(): void {
    this.#inSync = true;
    this.#work.ask();
  }

  /** The files are in another folder from now on; those in the old one stay as they are. */
  setPrefix(prefix: string): void {
    if (prefix === this.#prefix) return;
    this.#prefix = prefix;
    this.#written = undefined;
    if (this.#inSync) this.#work.ask();
  }

  start(): void {}

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const prefix = this.#prefix;
    if (prefix === '') return;
    const folder = join(prefix, statusFolder);
    // A change alone asks for its own file, not for a look at all.
    const looks = this.#written === undefined || this.#clock.now() - this.#lookedAt >= lookInterval;
    const names = looks ? await this.#look(folder) : new Set(this.#written?.keys());
    const written = this.#written ?? (await this.#read(folder, names));
    this.#written = written;
    const wanted = new Map(Array.from(this.#wanted.values(), ({ file, content }) => [file, content]));
    for (const name of names) {
      if (signal.aborted) return;
      if (wanted.has(name)) continue;
      await rm(join(folder, name), { force: true });
      written.delete(name);
    }
    for (const [name, content] of wanted) {
      if (signal.aborted) return;
      if (names.has(name) && written.get(name) === content) continue;
      await this.#put(folder, name, content);
      written.set(name, content);
    }
  }

  /** Whatever failed, the folder may be another by now. */
  #startAnew(error: unknown): never {
    this.#written = undefined;
    throw error;
  }

  /** The names in the folder, which is made where it is missing. */
  async #look(folder: string): Promise<Set<string>> {
    this.#lookedAt = this.#clock.now();
    await mkdir(folder, { recursive: true, mode: 0o755 });
    return new Set(await readdir(folder));
  }

  /** What an earlier run left for endpoints that are still there. */
  async #read(folder: string, names: ReadonlySet<string>): Promise<Map<string, string>> {
    const contents = new Map<string, string>();
    for (const { file } of this.#wanted.values()) {
      if (names.has(file)) contents.set(file, await readFile(join(folder, file), 'utf8').catch(() => ''));
    }
    return contents;
  }

  /** Beside the folder first: who watches it sees whole files alone. */
  async #put(folder: string, name: string, content: string): Promise<void> {
    const temporary = `${folder}.calico-new`;
    await writeFile(temporary, content, { mode: fileMode });
    await rename(temporary, join(folder, name));
  }
}
