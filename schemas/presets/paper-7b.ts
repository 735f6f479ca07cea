import { paperPipeline } from './paper.ts';
import { sourcesOf, valuesOf } from './sources.ts';
import type { PipelineConfig } from '../config.ts';

const pipeline = paperPipeline('paper-7b', {
  path: 'models/Lingshu-7B',
  says: 'base Lingshu-7B, which is a Qwen2.5-VL',
});

/** The paper's large model, on Lingshu-7B. */
export const paper7b: PipelineConfig = valuesOf<PipelineConfig>(pipeline);
export const paper7bSources = sourcesOf(pipeline);
