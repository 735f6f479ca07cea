import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { SftParams } from '../../schemas/sft-params.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import type { Grid } from '../nn/models/position-ids.ts';
import { Program } from '../nn/runtime/program.ts';
import { adaptedModel, frozenParameters, towerParameters } from '../nn/training/adapted-model.ts';
import type { BatchShape } from '../nn/training/batch-shapes.ts';
import { addSupervisedEntry, addValidationEntry } from '../nn/training/entries.ts';
import type { TrainedModel } from '../nn/training/entries.ts';
import { addVisionEntries } from '../nn/training/image-embeds.ts';
import type { VisionEntries } from '../nn/training/image-embeds.ts';
import { addTowerEntries } from '../nn/training/trained-tower.ts';
import { addUpdateEntry } from '../nn/training/trainer.ts';

export interface SftSetting {
  readonly config: ModelConfig;
  readonly params: SftParams;
  readonly compute: Pick<ResolvedCompute, 'arithmetic'>;
}

export interface SftSizes {
  /** Batches of training, and of validation. */
  readonly shapes: readonly BatchShape[];
  readonly validation: readonly BatchShape[];
  /** Grids of all images. */
  readonly grids: readonly Grid[];
}

/** Everything that a supervised training runs, recorded for the sizes of its data. */
export const sftProgram = (
  { config, params, compute }: SftSetting,
  { shapes, validation, grids }: SftSizes,
): { readonly program: Program; readonly model: TrainedModel; readonly vision: VisionEntries } => {
  const model = adaptedModel(config, params, compute.arithmetic);
  const program = new Program();
  for (const shape of shapes) addSupervisedEntry(program, model, shape);
  for (const shape of validation) addValidationEntry(program, model, shape);
  const frozen = frozenParameters(config, compute.arithmetic);
  const vision = addVisionEntries(program, config, towerParameters(model, frozen), grids);
  if (model.trainsTower === true) addTowerEntries(program, model, vision.graphs);
  addUpdateEntry(program, model.layout, params);
  return { program, model, vision };
};
