import type { Static } from 'typebox';
import { metadataSchema } from '../../metadata.ts';
import { lazy, object } from '../../schema/build.ts';
import { podSpec } from './pod-spec.ts';

/** What a workload makes its pods from. */
export const podTemplate = lazy(() => object({}, { metadata: metadataSchema(), spec: podSpec() }));

export type PodTemplate = Static<ReturnType<typeof podTemplate>>;
