import {
  Corrupt,
  NoSpace,
  NotFound,
  PreconditionFailed,
  RequestRefused,
  Throttled,
  Unauthorized,
} from './errors.ts';

const AUTH = new Set([
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'RequestTimeTooSkewed',
]);
const DAMAGED = new Set(['BadDigest', 'XAmzContentSHA256Mismatch', 'InvalidDigest', 'IncompleteBody']);

/** Bytes that changed on their way to the server: the same put may be tried again. */
class DamagedInTransit extends Corrupt {
  override readonly retryable = true;
}

/** Class of a failed S3 call, from the code in the answer or else its status; network errors are left as they are. */
export function s3Failure(object: string, error: unknown, status: number | undefined): unknown {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = `${object}: ${code || status || ''} ${error instanceof Error ? error.message : String(error)}`;
  const cause = { cause: error };
  if (code === 'InsufficientStorage' || code === 'QuotaExceeded' || status === 507)
    return new NoSpace(message, cause);
  if (code === 'NoSuchKey' || code === 'NotFound' || code === 'NoSuchBucket' || status === 404)
    return new NotFound(message, cause);
  if (code === 'ConditionalRequestConflict' || status === 409) return new Throttled(message, cause);
  if (code === 'PreconditionFailed' || status === 412) return new PreconditionFailed(message, cause);
  if (AUTH.has(code) || status === 401 || status === 403) return new Unauthorized(message, cause);
  if (DAMAGED.has(code) || /Checksum/i.test(code)) return new DamagedInTransit(object, message);
  // Without an answer: a socket's failure has a code, anything else is the client refusing what it was asked.
  if (status === undefined && code === '') return new RequestRefused(message, cause);
  if (status === undefined || status < 400) return error;
  if (status >= 500 || status === 408 || status === 429) return new Throttled(message, cause);
  return new RequestRefused(message, cause);
}
