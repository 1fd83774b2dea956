import { checked, cString, libc } from '../netlink/libc.ts';

/** sys/mount.h */
const MS_NOSUID = 2;
const MS_NODEV = 4;

/**
 * Mounts an empty file system in memory on a folder of this process's mount namespace. Throws KernelError: EPERM without
 * the right to mount, ENOENT if the folder is absent.
 */
export function mountTmpfs(path: string): void {
  const options = cString('mode=0755');
  checked(
    libc.mount(cString('tmpfs'), cString(path), cString('tmpfs'), MS_NOSUID | MS_NODEV, options),
    `mount tmpfs on ${path}`,
  );
}
