import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The one image of these tests: Debian's static busybox, which sleeps, with a page for its HTTP server. */
export const imageName = 'localhost/busybox:test';

const applets = ['sh', 'sleep', 'ip', 'nc', 'httpd', 'cat', 'grep'];

/** Writes the image as an archive of the OCI image layout, which containerd and podman load. */
export function writeImage(archive: string): void {
  const scratch = mkdtempSync(join(tmpdir(), 'calico-image-'));
  try {
    const root = join(scratch, 'root');
    for (const folder of ['bin', 'tmp', 'proc', 'sys', 'dev', 'etc'])
      mkdirSync(join(root, folder), { recursive: true });
    copyFileSync(Bun.which('busybox') ?? '/bin/busybox', join(root, 'bin', 'busybox'));
    for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet));
    writeFileSync(join(root, 'index.html'), 'hello');
    const layout = join(scratch, 'layout');
    mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true });
    const put = (content: Uint8Array | object) => {
      const bytes = content instanceof Uint8Array ? content : new TextEncoder().encode(JSON.stringify(content));
      const hash = createHash('sha256').update(bytes).digest('hex');
      writeFileSync(join(layout, 'blobs', 'sha256', hash), bytes);
      return { digest: `sha256:${hash}`, size: bytes.length };
    };
    const layer = put(tar(root, join(scratch, 'layer.tar')));
    const config = put({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Entrypoint: ['/bin/sleep', '1000000'], Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    });
    const manifest = put({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
    });
    const annotations = { 'io.containerd.image.name': imageName, 'org.opencontainers.image.ref.name': imageName };
    const index = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest, annotations };
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [index] }));
    writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    tar(layout, archive);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function tar(folder: string, archive: string): Uint8Array {
  const done = Bun.spawnSync(['tar', '--owner=0', '--group=0', '-C', folder, '-cf', archive, '.']);
  if (done.exitCode !== 0) throw new Error(`Cannot write ${archive}: ${done.stderr}`);
  return readFileSync(archive);
}
