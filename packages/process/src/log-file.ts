import {
  appendFileSync,
  createReadStream,
  createWriteStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';

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
 * Appends lines, before the call returns; a file that is full is put aside first, packed with zstd, and what is too old or too
 * much goes. Rejects when something of it cannot be.
 */
export async function appendToLog(file: LogFile, lines: string, now: Date): Promise<void> {
  const folder = file.path.slice(0, file.path.lastIndexOf('/')) || '/';
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const size = statSync(file.path, { throwIfNoEntry: false })?.size ?? 0;
  const full = size > 0 && size + Buffer.byteLength(lines) > file.maxBytes;
  const aside = full ? putAside(file, now) : undefined;
  appendFileSync(file.path, lines, { mode: 0o644 });
  if (aside === undefined) return;
  await pack(aside);
  prune(file, folder, now);
}

/** `cni.log` becomes `cni-2026-01-31T23-59-59.999.log`, as Calico's rotation names it; undefined when another was first. */
function putAside({ path }: LogFile, now: Date): string | undefined {
  const [stem, extension] = splitName(path);
  const stamp = now.toISOString().replaceAll(':', '-').replace('Z', '');
  const aside = `${stem}-${stamp}${extension}`;
  try {
    renameSync(path, aside);
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
  renameSync(scratch, path + PACKED);
  rmSync(path);
}

/** Names hold the time, so their order is that of age; half-packed ones count too. */
function prune({ path, maxAgeMs, maxCount }: LogFile, folder: string, now: Date): void {
  const [stem, extension] = splitName(path.slice(path.lastIndexOf('/') + 1));
  const asides = readdirSync(folder)
    .filter(name => name.startsWith(`${stem}-`) && name.slice(stem.length + 24).startsWith(extension))
    .sort()
    .reverse();
  asides.forEach((name, i) => {
    const whole = `${folder}/${name}`;
    const age = now.getTime() - (statSync(whole, { throwIfNoEntry: false })?.mtimeMs ?? now.getTime());
    if ((maxCount > 0 && i >= maxCount) || (maxAgeMs > 0 && age > maxAgeMs)) rmSync(whole, { force: true });
  });
}
