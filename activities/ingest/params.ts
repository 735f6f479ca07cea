import { z } from 'zod';
import { ClinicSource, FileSource } from '../../schemas/config/sources.ts';

const { path: _clinicPath, ...clinic } = ClinicSource.shape;
const { path: _filePath, ...files } = FileSource.shape;
/** What the cases are for: `train` to learn from, `test` to evaluate on. */
const split = z.enum(['train', 'test']);

/** Parameters of `ingest`: the source without its path, which enters no key. */
export const IngestParams = z.discriminatedUnion('format', [
  z.strictObject({ ...clinic, split }),
  z.strictObject({ ...files, split }),
]);
export type IngestParams = z.infer<typeof IngestParams>;
export type ClinicParams = Extract<IngestParams, { format: 'clinic' }>;
