import { paperPipeline } from './paper.ts';
import { sourcesOf, valuesOf } from './sources.ts';
import type { PipelineConfig } from '../config.ts';

const pipeline = paperPipeline('paper-2b', {
  path: 'models/Qwen2-VL-2B-Instruct',
  says: 'base Qwen2-VL-2B-Instruct',
});

/** The paper's small model, on Qwen2-VL-2B-Instruct. */
export const paper2b: PipelineConfig = valuesOf<PipelineConfig>(pipeline);
export const paper2bSources = sourcesOf(pipeline);
