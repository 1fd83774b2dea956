import type { FieldErrors } from '../../field-error.ts';
import type { ClusterInformation } from './cluster-information.ts';

/** There is one object, and its GUID is a UUID without dashes. */
export function clusterInformationRules(info: ClusterInformation, errors: FieldErrors): void {
  if (info.metadata.name !== 'default') {
    errors.invalid('metadata.name', info.metadata.name, 'must be "default", the only object of this kind');
  }
  const { clusterGUID } = info.spec;
  if (clusterGUID !== undefined && clusterGUID !== '' && !/^[0-9a-f]{32}$/i.test(clusterGUID)) {
    errors.invalid('spec.clusterGUID', clusterGUID, 'must be 32 hexadecimal digits');
  }
}
