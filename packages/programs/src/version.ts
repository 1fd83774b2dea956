declare const CALICO_VERSION: string | undefined;
declare const CALICO_COMMIT: string | undefined;

/** The version and commit that the build wrote in; 'dev' when run from the sources. */
export const version = typeof CALICO_VERSION === 'undefined' ? 'dev' : CALICO_VERSION;
export const commit = typeof CALICO_COMMIT === 'undefined' ? 'dev' : CALICO_COMMIT;
