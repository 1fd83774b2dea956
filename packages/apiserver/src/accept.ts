/** Content negotiation of the Kubernetes API (API concepts, "Alternate representations of resources"). */
import { ApiError } from './status.ts';

/** In what form the client wants objects. */
export type Representation = 'object' | 'table' | 'partial';

const FORMS: Record<string, Representation> = {
  Table: 'table',
  PartialObjectMetadata: 'partial',
  PartialObjectMetadataList: 'partial',
};

/** Media ranges of an Accept header in order, with their parameters. */
export function parseAccept(header: string | null): { type: string; parameters: Map<string, string> }[] {
  return (header ?? '*/*').split(',').map(range => {
    const [type, ...rest] = range.split(';').map(part => part.trim());
    const parameters = new Map(
      rest.map(p => {
        const at = p.indexOf('=');
        return at < 0 ? ([p, ''] as const) : ([p.slice(0, at), p.slice(at + 1)] as const);
      }),
    );
    return { type: (type ?? '').toLowerCase(), parameters };
  });
}

/** The first form in the Accept header that this server speaks. Throws a 406 ApiError. */
export function negotiate(header: string | null): Representation {
  for (const { type, parameters } of parseAccept(header)) {
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    const as = parameters.get('as');
    if (as === undefined) return 'object';
    const form = FORMS[as];
    if (form !== undefined && parameters.get('g') === 'meta.k8s.io' && parameters.get('v') === 'v1') return form;
  }
  throw new ApiError(
    406,
    'NotAcceptable',
    'only the following media types are accepted: application/json, application/json;as=Table;v=v1;g=meta.k8s.io, application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io, application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  );
}
