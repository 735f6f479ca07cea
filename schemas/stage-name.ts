import { z } from 'zod';

/** The stages of the DAG, in the paper's words. */
export const StageName = z.enum([
  'ingest',
  'pretrain',
  'classify',
  'synthesize',
  'filter',
  'review',
  'stratify',
  'sft',
  'gba',
  'merge',
  'evaluate',
  'report',
]);
export type StageName = z.infer<typeof StageName>;
