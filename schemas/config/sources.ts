import { z } from 'zod';
import { count, seed, share } from './fields.ts';

const path = z
  .string()
  .min(1)
  .describe(
    'File or folder, relative to the project; or a digest or ref of a source in the store. Not part of any key: the content is',
  );
const pick = {
  path,
  limit: count.optional().describe('Cases drawn, by seed; absent: every case'),
  seed: seed.describe('Seed of the draw'),
};

/** The synthetic clinic: cases drawn from an editable bank of conditions. */
export const ClinicSource = z.strictObject({
  format: z.literal('clinic'),
  path,
  casesPerSpecialty: count.describe('Cases drawn for each of AM, CAH, BS, CSI'),
  seed: seed.describe('Seed of the draw; two sources of one bank need two seeds'),
  imageShare: share.describe('Share of cases that have an image and need it'),
});

/** Cases as files. One format a literal, so that a wrong field names the format it does not fit. */
export const FileSource = z.strictObject({
  format: z
    .enum(['jsonl', 'medqa', 'jama', 'medxpertqa', 'pmc-vqa', 'omnimedvqa', 'gmai-mmbench'])
    .describe("jsonl: rows of this project's case schema; the others: files as their authors ship them"),
  ...pick,
});

export const Source = z.discriminatedUnion('format', [ClinicSource, FileSource]);
export type Source = z.infer<typeof Source>;

/** Where cases come from. */
export const Sources = z.strictObject({
  train: Source.describe('Cases to learn from'),
  images: Source.optional().describe(
    'Further cases to learn from, with images, kept in files of their own; absent: none',
  ),
  heldOut: Source.describe('Cases that every model is evaluated on; never trained on'),
  benchmarks: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]*$/), Source)
    .describe('Further cases to evaluate on, by benchmark name; {}: none'),
});
