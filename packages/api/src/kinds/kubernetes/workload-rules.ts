import type { FieldErrors } from '../../field-error.ts';
import { printJson } from '../../json.ts';
import { isObject } from '../../schema/node.ts';
import { type LabelSelector, labelSelectorRules, matchesLabelSelector } from './label-selector.ts';
import { defaultPodSpec, podSpecRules } from './pod-rules.ts';
import type { PodTemplate } from './pod-template.ts';

interface WorkloadSpec {
  selector: LabelSelector;
  template?: PodTemplate;
}

/** Fills in the pod template of a workload. */
export function defaultTemplate(spec: unknown): void {
  if (isObject(spec) && isObject(spec.template)) {
    const template: PodTemplate = spec.template;
    defaultPodSpec(template.spec);
  }
}

/** A workload's selector picks its own pods, and does not change. */
export function workloadRules(spec: WorkloadSpec, errors: FieldErrors, old: WorkloadSpec | undefined): void {
  const { selector, template } = spec;
  labelSelectorRules(selector, 'spec.selector', errors);
  const terms = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length;
  if (terms === 0)
    errors.invalid('spec.selector', selector, 'must have at least one term: an empty selector takes every pod');
  const labels = template?.metadata?.labels ?? {};
  if (template !== undefined && !matchesLabelSelector(selector, labels)) {
    errors.invalid('spec.template.metadata.labels', labels, 'must be labels that spec.selector picks');
  }
  if (template?.spec !== undefined) {
    podSpecRules(template.spec, 'spec.template.spec', errors);
    const { restartPolicy } = template.spec;
    if (restartPolicy !== undefined && restartPolicy !== 'Always') {
      errors.add('NotSupported', 'spec.template.spec.restartPolicy', restartPolicy, 'supported values: "Always"');
    }
  }
  if (old !== undefined && printJson(old.selector) !== printJson(selector)) {
    errors.invalid('spec.selector', selector, 'cannot be changed');
  }
}
