/** Group and version of every Calico kind here. */
export const CALICO_GROUP = 'projectcalico.org';
export const CALICO_VERSION = 'v3';
/** apiVersion of Calico's kinds. */
export const CALICO_API_VERSION = 'projectcalico.org/v3';
/** The label that tells a policy's tier. */
export const TIER_LABEL = 'projectcalico.org/tier';
/** The tier of policies that name none. */
export const DEFAULT_TIER = 'default';
