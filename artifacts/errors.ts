/**
 * Failures of the store. Each class has its own `name`, so that it survives a process boundary, and says whether
 * the same call may succeed later (`retryable`).
 */
export abstract class StoreError extends Error {
  abstract readonly retryable: boolean;
}

/** No such object, artifact or bucket. */
export class NotFound extends StoreError {
  override readonly name = 'NotFound';
  readonly retryable = false;
}

/** The object is there (put if absent) or is not the one expected (If-Match). */
export class PreconditionFailed extends StoreError {
  override readonly name = 'PreconditionFailed';
  readonly retryable = false;
}

/** The server asked for fewer requests, or failed in a passing way, until the deadline. */
export class Throttled extends StoreError {
  override readonly name = 'Throttled';
  readonly retryable = true;
}

/** The server, or the disk a folder is fetched to, is full. */
export class NoSpace extends StoreError {
  override readonly name = 'NoSpace';
  readonly retryable = true;
}

/** The server refused the credentials. */
export class Unauthorized extends StoreError {
  override readonly name = 'Unauthorized';
  readonly retryable = false;
}

/** No answer before the deadline; the last network error is in the message. */
export class Timeout extends StoreError {
  override readonly name = 'Timeout';
  readonly retryable = true;
}

/** The server refused the request itself. */
export class RequestRefused extends StoreError {
  override readonly name = 'RequestRefused';
  readonly retryable = false;
}

/** An object's bytes are not what its name or its seal says. */
export class Corrupt extends StoreError {
  override readonly name = 'Corrupt';
  readonly retryable: boolean = false;
  readonly object: string;
  readonly problem: string;
  constructor(object: string, problem: string) {
    super(`${object}: ${problem}`);
    this.object = object;
    this.problem = problem;
  }
}

/** An artifact that was published cannot be read whole: quarantine it and run its producer once more. */
export class CorruptInput extends StoreError {
  override readonly name = 'CorruptInput';
  readonly retryable = false;
  readonly digest: string;
  readonly object: string;
  constructor(digest: string, object: string, problem: string) {
    super(`artifact ${digest} is damaged at ${object}: ${problem}`);
    this.digest = digest;
    this.object = object;
  }
}

/** A manifest that hashes right but breaks the format's rules; `offender` is the path or field. */
export class InvalidManifest extends StoreError {
  override readonly name = 'InvalidManifest';
  readonly retryable = false;
  readonly offender: string;
  constructor(where: string, offender: string, problem: string) {
    super(`${where}: ${JSON.stringify(offender)} ${problem}`);
    this.offender = offender;
  }
}

/** A name that stands for no artifact, or for several. */
export class UnknownName extends StoreError {
  override readonly name = 'UnknownName';
  readonly retryable = false;
}

/** A file changed while it was being read into the store; nothing was published. */
export class SourceChanged extends StoreError {
  override readonly name = 'SourceChanged';
  readonly retryable = true;
  constructor(file: string) {
    super(`${file} changed while it was read: put it again when nothing writes to it`);
  }
}
