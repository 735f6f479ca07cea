import type { GbaParams } from '../../schemas/gba-params.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import { positionIds } from '../nn/models/position-ids.ts';
import type { Grid } from '../nn/models/position-ids.ts';
import { policyWeights } from '../nn/token-weights.ts';
import { planWindow } from '../nn/training/batch-shapes.ts';
import type { BatchShape } from '../nn/training/batch-shapes.ts';
import { entryOf } from '../nn/training/entries.ts';
import { imageIndexOf, packRows, rowSize, spreadOverLabels } from '../nn/training/rows.ts';
import type { TrainingRow } from '../nn/training/rows.ts';
import { seeImages } from '../nn/training/trained-tower.ts';
import type { Sight } from '../nn/training/trained-tower.ts';
import type { Batch } from '../nn/training/trainer.ts';
import type { JudgedRollout } from './rollouts.ts';

/** A rollout as a row to train on: its labels are the completion's tokens, none where it was cut and `maskTruncated`. */
const rolloutRow = (
  { prompt, completion }: JudgedRollout,
  config: ModelConfig,
  grids: ReadonlyMap<string, Grid>,
  maskTruncated: boolean,
): TrainingRow => {
  const start = prompt.ids.length;
  const ids = new Int32Array(start + completion.tokens.length);
  ids.set(prompt.ids);
  ids.set(completion.tokens, start);
  const own = prompt.case.images.map((image) => grids.get(image) as Grid);
  const labels = maskTruncated && completion.finishReason === 'length' ? 0 : completion.tokens.length;
  return {
    id: `${prompt.case.id}/${prompt.paradigm ?? 'none'}`,
    ids,
    positions: positionIds(ids, own, config).ids,
    targets: Int32Array.from({ length: labels }, (_, i) => start + i - 1),
    imageTokens: prompt.imageTokens,
  };
};

export interface Batching {
  readonly config: ModelConfig;
  readonly params: Pick<GbaParams, 'aggregation' | 'group' | 'maxNewTokens' | 'maskTruncated' | 'seed'>;
  readonly shapes: readonly BatchShape[];
  readonly pairCost: number;
  readonly grids: ReadonlyMap<string, Grid>;
  readonly sight: Sight;
}

/** What a row of a batch trains on: its label tokens, the completion's first ones. */
export interface PolicyRow {
  readonly labels: number;
  /** The sampler's log-probability of each token of the completion. */
  readonly logps: readonly number[];
}

/** A batch with its rows, whose label tokens lie one after another. */
export interface PolicyBatch extends Batch {
  readonly rows: readonly PolicyRow[];
}

/** The batches of the rollouts of a step, counted from 0; their losses and gradients add up to those of the step. */
export const policyBatches = async (
  judged: readonly JudgedRollout[],
  step: number,
  { config, params, shapes, pairCost, grids, sight }: Batching,
): Promise<PolicyBatch[]> => {
  const rows = judged.map((rollout) => rolloutRow(rollout, config, grids, params.maskTruncated));
  const counts = rows.map((row) => row.targets.length);
  const weights = policyWeights(counts, params.aggregation, params.group, params.maxNewTokens);
  const batches: PolicyBatch[] = [];
  for (const { shape, members } of planWindow(rows.map(rowSize), shapes, pairCost)) {
    const own = members.map((m) => rows[m]!);
    const spread = (of: (m: number) => number): Float32Array => spreadOverLabels(own, shape, members.map(of));
    const names = members.flatMap((m) => judged[m]!.prompt.case.images);
    const place = { seed: params.seed, step, batch: batches.length };
    const seen = await seeImages(sight, names, shape.images * config.text.hiddenSize, place);
    batches.push({
      ...seen,
      entry: entryOf(shape),
      feeds: {
        ...packRows(own, shape),
        weights: spread((m) => weights[m]!),
        advantages: spread((m) => judged[m]!.advantage),
        ...(shape.images === 0 ? {} : { imageIndex: imageIndexOf(own, shape, config.imageTokenId) }),
        ...seen.feeds,
      },
      rows: members.map((m) => ({ labels: counts[m]!, logps: judged[m]!.completion.logps })),
    });
  }
  return batches;
};
