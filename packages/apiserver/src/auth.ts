import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from './status.ts';

/** A bearer token and whom it speaks for. */
export interface Token {
  readonly token: string;
  readonly user: string;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Makes the check of a request's Authorization header: gives the user, or throws a 401 ApiError. Digests of equal length
 * are compared in constant time, against every token; tokens themselves are not kept.
 */
export function createAuthenticator(tokens: readonly Token[]): (request: Request) => string {
  const known = tokens.map(({ token, user }) => ({ digest: digest(token), user }));
  return request => {
    const match = /^Bearer\s+(\S+)\s*$/i.exec(request.headers.get('authorization') ?? '');
    const given = digest(match?.[1] ?? '');
    let user: string | undefined;
    for (const candidate of known) {
      if (timingSafeEqual(candidate.digest, given)) user = candidate.user;
    }
    if (match === null || user === undefined) throw new ApiError(401, 'Unauthorized', 'Unauthorized');
    return user;
  };
}
