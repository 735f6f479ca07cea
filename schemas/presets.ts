import { z } from 'zod';
import type { PipelineConfig } from './config.ts';
import { demo } from './presets/demo.ts';
import { paper2b, paper2bSources } from './presets/paper-2b.ts';
import { paper7b, paper7bSources } from './presets/paper-7b.ts';
import type { FieldSource } from './presets/sources.ts';

export const PresetName = z.enum(['demo', 'paper-2b', 'paper-7b']);
export type PresetName = z.infer<typeof PresetName>;

/** Whole pipelines to start from. */
export const presets: Readonly<Record<PresetName, PipelineConfig>> = {
  demo,
  'paper-2b': paper2b,
  'paper-7b': paper7b,
};

/** Source of each leaf of the paper's presets. */
export const presetSources: Readonly<Partial<Record<PresetName, Record<string, FieldSource>>>> = {
  'paper-2b': paper2bSources,
  'paper-7b': paper7bSources,
};
