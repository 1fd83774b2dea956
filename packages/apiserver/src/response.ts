/** Responses of the API, in the forms that all handlers share. */
import { ApiError } from './status.ts';
import type { WatchSink } from './watch.ts';

const JSON_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-cache, private' };

const HEADER_FLUSH = new TextEncoder().encode(' ');

/** RFC 7234 Warning header value: `299 - "text"`. */
function warningHeader(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&');
  return `299 - "${printable}"`;
}

/** JSON text, with what the client is warned of. */
export function objectResponse(code: number, json: string, warnings: readonly string[] = []): Response {
  const headers = new Headers(JSON_HEADERS);
  for (const warning of warnings) headers.append('warning', warningHeader(warning));
  return new Response(json, { status: code, headers });
}

/** So many characters of a long answer are made and encoded at once. */
const PIECE = 128 * 1024;

/** JSON text in pieces, which are made as the client takes them: many clients that list everything cost no more than a few. */
export function piecesResponse(code: number, pieces: Iterable<string>): Response {
  const iterator = pieces[Symbol.iterator]();
  const next = (): { text: string; done: boolean } => {
    const parts: string[] = [];
    for (let size = 0; size < PIECE; ) {
      const { value, done } = iterator.next();
      if (done) return { text: parts.join(''), done };
      parts.push(value);
      size += value.length;
    }
    return { text: parts.join(''), done: false };
  };
  const first = next();
  if (first.done) return objectResponse(code, first.text);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start: controller => controller.enqueue(encoder.encode(first.text)),
    pull: controller => {
      const { text, done } = next();
      if (text !== '') controller.enqueue(encoder.encode(text));
      if (done) controller.close();
    },
  });
  return new Response(body, { status: code, headers: JSON_HEADERS });
}

/** A value as JSON. */
export function jsonResponse(code: number, value: unknown, contentType = 'application/json'): Response {
  return new Response(JSON.stringify(value), {
    status: code,
    headers: { ...JSON_HEADERS, 'content-type': contentType },
  });
}

/** Plain text, as health checks answer. */
export function textResponse(code: number, text: string): Response {
  return new Response(text, { status: code, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

/** The Status of an error; anything but an ApiError is a 500. */
export function errorResponse(cause: unknown): Response {
  const error =
    cause instanceof ApiError
      ? cause
      : new ApiError(
          500,
          'InternalError',
          `Internal error occurred: ${cause instanceof Error ? cause.message : String(cause)}`,
        );
  const retry = error.details?.retryAfterSeconds;
  const headers = new Headers(JSON_HEADERS);
  if (retry !== undefined) headers.set('retry-after', String(retry));
  if (error.code === 401) headers.set('www-authenticate', 'Bearer');
  return new Response(JSON.stringify(error.toStatus()), { status: error.code, headers });
}

/** A response whose body `open` writes for as long as the client stays; `signal` aborts when it leaves. */
export function streamResponse(
  clientGone: AbortSignal,
  open: (sink: WatchSink, signal: AbortSignal) => void,
): Response {
  const cancelled = new AbortController();
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        let ended = false;
        let written = false;
        const sink: WatchSink = {
          write: bytes => {
            if (ended) return;
            controller.enqueue(bytes);
            written = true;
          },
          get backlog() {
            return ended ? 0 : -(controller.desiredSize ?? 0);
          },
          end: () => {
            if (ended) return;
            ended = true;
            // A stream that its reader cancelled is closed already.
            if (!cancelled.signal.aborted) controller.close();
          },
        };
        open(sink, AbortSignal.any([cancelled.signal, clientGone]));
        // Bun holds the end of the headers back until the body begins: a space, which JSON ignores, lets the client go on.
        if (!written) sink.write(HEADER_FLUSH);
      },
      cancel: () => cancelled.abort(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 1024 * 1024 }),
  );
  return new Response(body, { headers: JSON_HEADERS });
}
