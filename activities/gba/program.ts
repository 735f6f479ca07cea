import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import type { GbaParams } from '../../schemas/gba-params.ts';
import type { BatchSizes } from '../nn/generation/entries.ts';
import { addGenerator } from '../nn/generation/generate.ts';
import type { Generator } from '../nn/generation/generate.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import type { Grid } from '../nn/models/position-ids.ts';
import { Program } from '../nn/runtime/program.ts';
import { adaptedModel, frozenParameters, towerParameters } from '../nn/training/adapted-model.ts';
import type { BatchShape } from '../nn/training/batch-shapes.ts';
import { addPolicyEntry } from '../nn/training/entries.ts';
import type { TrainedModel } from '../nn/training/entries.ts';
import { addVisionEntries } from '../nn/training/image-embeds.ts';
import type { VisionEntries } from '../nn/training/image-embeds.ts';
import { addTowerEntries } from '../nn/training/trained-tower.ts';
import { addUpdateEntry, trainedTensors } from '../nn/training/trainer.ts';

export interface GbaSetting {
  readonly config: ModelConfig;
  readonly params: GbaParams;
  readonly compute: Pick<ResolvedCompute, 'arithmetic'>;
  /** Tokens that sampling never draws. */
  readonly suppressed: readonly number[];
}

export interface GbaSizes {
  /** Batches of training. */
  readonly shapes: readonly BatchShape[];
  /** Batches of rollouts. */
  readonly sampled: readonly BatchSizes[];
  /** Batches of validation. */
  readonly greedy: readonly BatchSizes[];
  /** Grids of all images. */
  readonly grids: readonly Grid[];
}

export interface GbaRecorded {
  readonly program: Program;
  readonly model: TrainedModel;
  readonly vision: VisionEntries;
  /** The tower that the reference pass sees with, where it is another one than the policy's. */
  readonly referenceVision: VisionEntries | undefined;
  readonly generator: Generator;
}

/** Name of the vision tower that the reference pass sees with. */
const REFERENCE = 'reference-vision';

/** Everything that a training by GBA runs, recorded for the sizes of its queries. */
export const gbaProgram = (
  { config, params, compute, suppressed }: GbaSetting,
  { shapes, sampled, greedy, grids }: GbaSizes,
): GbaRecorded => {
  const model = adaptedModel(config, params, compute.arithmetic);
  const { layout } = model;
  const program = new Program();
  for (const shape of shapes) addPolicyEntry(program, model, shape, { ...params, feedOld: false });
  addUpdateEntry(program, layout, params);
  const frozen = frozenParameters(config, compute.arithmetic);
  const refersToTower = model.trainsTower === true && params.beta > 0;
  const vision = addVisionEntries(program, config, towerParameters(model, frozen), grids);
  const referenceVision = refersToTower
    ? addVisionEntries(program, config, frozen, grids, REFERENCE)
    : undefined;
  if (model.trainsTower === true) addTowerEntries(program, model, vision.graphs);
  const generator = addGenerator(program, {
    name: 'rollout',
    config,
    source: (t) => model.parameters(t, trainedTensors(t, layout)),
    batches: [
      ...sampled.map((shape) => ({ ...shape, mode: 'sample' as const })),
      ...greedy.map((shape) => ({ ...shape, mode: 'greedy' as const })),
    ],
    maxNewTokens: params.maxNewTokens,
    modes: ['sample', 'greedy'],
    suppressed,
  });
  return { program, model, vision, referenceVision, generator };
};
