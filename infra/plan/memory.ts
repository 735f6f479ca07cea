/** The memory of a run's trainings, predicted from the programs that they would record for rows of the assumed sizes. */
import { gbaProgram } from '../../activities/gba/program.ts';
import { samplingShapes, trainingShapes } from '../../activities/gba/shapes.ts';
import { predictedPeak } from '../../activities/nn/memory.ts';
import type { ModelConfig } from '../../activities/nn/models/config.ts';
import type { Grid } from '../../activities/nn/models/position-ids.ts';
import { planBatches } from '../../activities/nn/generation/batches.ts';
import { planShapes } from '../../activities/nn/training/batch-shapes.ts';
import type { RowSize } from '../../activities/nn/training/batch-shapes.ts';
import { pairCostOf } from '../../activities/nn/training/label-logits.ts';
import { sftProgram } from '../../activities/sft/program.ts';
import { SHAPES } from '../../activities/sft/train.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { GbaParams } from '../../schemas/gba-params.ts';
import type { SftParams } from '../../schemas/sft-params.ts';

/** What is trained, and how it computes. */
export interface Setting {
  readonly config: ModelConfig;
  readonly compute: ResolvedCompute;
  /** Of the images, where rows have any. */
  readonly grid: Grid | undefined;
}

const gridsOf = ({ grid }: Setting): readonly Grid[] => (grid === undefined ? [] : [grid]);

/** The most memory of supervised training on windows of such rows, in bytes. */
export function sftMemory(setting: Setting, params: SftParams, row: RowSize): number {
  const window = Array.from({ length: params.accumulate }, () => row);
  const limits = {
    tokens: params.microBatchTokens,
    shapes: SHAPES,
    pairCost: pairCostOf(setting.config.text),
  };
  const shapes = planShapes([window], limits);
  const validation = params.validateEvery === null ? [] : shapes;
  const { program } = sftProgram({ ...setting, params }, { shapes, validation, grids: gridsOf(setting) });
  return predictedPeak(program.footprint());
}

/** Prompts of a step and how many completions are sampled of each. */
export function promptsOf({ guidelineMode, promptsPerStep, group }: GbaParams) {
  const different = guidelineMode === 'all' || guidelineMode === 'mixed' ? 4 : 1;
  return {
    prompts: promptsPerStep * different,
    group: guidelineMode === 'mixed' ? Math.ceil(group / different) : group,
  };
}

/** The most memory of training by GBA, rollouts included, on prompts of such a size, in bytes. */
export function gbaMemory(
  setting: Setting,
  params: GbaParams,
  prompt: { readonly tokens: number; readonly images: number },
): number {
  const { prompts, group } = promptsOf(params);
  const steps = [Array.from({ length: prompts }, () => prompt)];
  const asked = params.validateEvery === null ? 0 : (params.validateQueries ?? prompts * group);
  const held = Array.from({ length: asked }, () => ({
    tokens: prompt.tokens,
    imageEmbeddings: prompt.images,
  }));
  const { program } = gbaProgram(
    { ...setting, params, suppressed: [setting.config.imageTokenId, setting.config.videoTokenId] },
    {
      shapes: trainingShapes(steps, group, params),
      sampled: samplingShapes(steps, group),
      greedy: planBatches(held, { rows: params.promptsPerStep * params.group, group: 1, lengths: 2 }),
      grids: gridsOf(setting),
    },
  );
  return predictedPeak(program.footprint());
}
