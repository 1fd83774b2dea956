/** Versions of the CNI specification that the plugins speak, the oldest first. */
export const supportedVersions: readonly string[] = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

/** The newest of them. */
export const newestVersion = '1.1.0';

/** What a configuration without cniVersion is written in. */
export const versionWhenAbsent = '0.2.0';

/** Whether a supported version is the same as or newer than another. */
export function isAtLeast(version: string, other: string): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(other);
}
