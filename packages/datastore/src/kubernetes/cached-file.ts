import { readFileSync, statSync } from 'node:fs';

/** A file whose text is read anew when the file is another than at the last look (inode, time or size). */
export class CachedFile {
  readonly path: string;
  #seen = '';
  #text = '';

  constructor(path: string) {
    this.path = path;
  }

  /** The text of now. Throws the error of the file system when the file cannot be read. */
  text(): string {
    // Followed links included: projected volumes swap a link, so the inode tells.
    const { ino, mtimeMs, size } = statSync(this.path);
    const seen = `${ino}/${mtimeMs}/${size}`;
    if (seen !== this.#seen) {
      this.#text = readFileSync(this.path, 'utf8');
      this.#seen = seen;
    }
    return this.#text;
  }

  /** Reads the file at the next use whatever its time says. */
  forget(): void {
    this.#seen = '';
  }
}
