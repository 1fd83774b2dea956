import { createReadStream, createWriteStream } from 'node:fs';
import { appendFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';

/** A file that one process or many short ones write to, and how much of it is kept. */
export interface LogFile {
  readonly path: string;
  /** A file that would grow beyond this is put aside, in bytes. */
  readonly maxBytes: number;
  /** Files put aside longer ago than this go, in milliseconds; 0: whatever their age. */
  readonly maxAgeMs: number;
  /** At most so many files put aside are kept; 0: any number. */
  readonly maxCount: number;
}

const PACKED = '.zst';

/**
 * Appends lines; a file that is full is put aside first, packed with zstd, and what is too old or too much goes. Rejects when
 * something of it cannot be.
 */
export async function appendToLog(file: LogFile, lines: string, now: Date): Promise<void> {
  const folder = file.path.slice(0, file.path.lastIndexOf('/')) || '/';
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const size = (await statOf(file.path))?.size ?? 0;
  const full = size > 0 && size + Buffer.byteLength(lines) > file.maxBytes;
  const aside = full ? await putAside(file, now) : undefined;
  await appendFile(file.path, lines, { mode: 0o644 });
  if (aside === undefined) return;
  await pack(aside);
  await prune(file, folder, now);
}

/** `cni.log` becomes `cni-2026-01-31T23-59-59.999.log`, as Calico's rotation names it; undefined when another was first. */
async function putAside({ path }: LogFile, now: Date): Promise<string | undefined> {
  const [stem, extension] = splitName(path);
  const stamp = now.toISOString().replaceAll(':', '-').replace('Z', '');
  const aside = `${stem}-${stamp}${extension}`;
  try {
    await rename(path, aside);
    return aside;
  } catch {
    return undefined;
  }
}

function splitName(path: string): [stem: string, extension: string] {
  const dot = path.lastIndexOf('.');
  return dot > path.lastIndexOf('/') + 1 ? [path.slice(0, dot), path.slice(dot)] : [path, ''];
}

async function pack(path: string): Promise<void> {
  const { createZstdCompress } = await import('node:zlib');
  const { pipeline } = await import('node:stream/promises');
  const scratch = `${path}.packing`;
  await pipeline(createReadStream(path), createZstdCompress(), createWriteStream(scratch, { mode: 0o644 }));
  await rename(scratch, path + PACKED);
  await rm(path);
}

/** Names hold the time, so their order is that of age; half-packed ones count too. */
async function prune({ path, maxAgeMs, maxCount }: LogFile, folder: string, now: Date): Promise<void> {
  const [stem, extension] = splitName(path.slice(path.lastIndexOf('/') + 1));
  const asides = (await readdir(folder))
    .filter(name => name.startsWith(`${stem}-`) && name.slice(stem.length + 24).startsWith(extension))
    .sort()
    .reverse();
  for (const [i, name] of asides.entries()) {
    const whole = `${folder}/${name}`;
    const age = now.getTime() - ((await statOf(whole))?.mtimeMs ?? now.getTime());
    if ((maxCount > 0 && i >= maxCount) || (maxAgeMs > 0 && age > maxAgeMs)) await rm(whole, { force: true });
  }
}

async function statOf(path: string): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return undefined;
    throw err;
  }
}
