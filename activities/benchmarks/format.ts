import type { z } from 'zod';
import { Case } from '../../schemas/case.ts';

/** A record as a benchmark's file has it, and where it stands. */
export interface Place {
  /** Path inside the benchmark's folder, with `/`. */
  readonly file: string;
  /** Position in the file, from 0. */
  readonly index: number;
}

/** How a benchmark's authors ship it. */
export interface BenchmarkFormat {
  readonly name: string;
  /** Whether a file whose first record is this one is of this format. */
  fits(record: Readonly<Record<string, unknown>>): boolean;
  /** Of the files that fit, those to read. The default is the test files where there are any, else all. */
  choose?(files: readonly string[]): readonly string[];
  /** Folders beside a data file where its images are looked for too. */
  readonly imageFolders?: readonly string[];
  /** Images that the record itself holds, as base64, by the names that its case has for them. Throws `BadRecord`. */
  embedded?(record: unknown, place: Place): readonly { readonly name: string; readonly base64: string }[];
  /** The case of a record; its images are as the file names them. Throws `BadRecord`. */
  read(record: unknown, place: Place): Case;
}

/** A record cannot be read as a case; it is kept aside with the reason. */
export class BadRecord extends Error {
  override readonly name = 'BadRecord';
  readonly place: Place;
  constructor(place: Place, reason: string) {
    super(`${place.file}, record ${place.index + 1}: ${reason}`);
    this.place = place;
  }
}

/** A record by its schema; `BadRecord` names the fields that are not as they must be. */
export function parseRecord<T>(schema: z.ZodType<T>, record: unknown, place: Place): T {
  const parsed = schema.safeParse(record);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'the record'}: ${message}`,
  );
  throw new BadRecord(place, issues.join('; '));
}

/** A case by its schema, defaults filled in. */
export const caseOf = (fields: z.input<typeof Case>, place: Place): Case => parseRecord(Case, fields, place);

/** The split that a file's name states; `test` where it states none. */
export function splitOf(file: string): Case['split'] {
  const name = file.split('/').at(-1) ?? file;
  if (/(^|[_.-])train/.test(name)) return 'train';
  return /(^|[_.-])(dev|val|validation)([_.-]|$)/.test(name) ? 'validation' : 'test';
}
