import { printFieldError } from '@calico/api';
import { type Admission, invalid } from '@calico/apiserver';
import { unsupportedFields } from '@calico/calc';

const resources = new Set([
  'projectcalico.org/networkpolicies',
  'projectcalico.org/globalnetworkpolicies',
  'projectcalico.org/hostendpoints',
]);

/** Refuses policies and endpoints that ask for what the nodes do not enforce: stored and not enforced, they would look like protection. */
export const refuseUnenforced: Admission = {
  name: 'refuse-unenforced',
  validate({ operation, kind, name, object }) {
    if (operation === 'delete' || !resources.has(`${kind.group}/${kind.plural}`)) return;
    const errors = unsupportedFields(object);
    if (errors.length === 0) return;
    const causes = errors.map(error => ({
      reason: 'FieldValueNotSupported',
      field: error.path,
      message: printFieldError(error).slice(error.path.length + 2),
    }));
    throw invalid({ group: kind.group, kind: kind.kind, name }, causes);
  },
};
