/**
 * The entry points of training: a batch in, its loss out, the gradient gathered.
 * Legend: N tokens, M label places, K image embeddings, D hidden size.
 */
import { argmaxHits, policyLoss, tokenEntropies, tokenLogProbs, weightedCrossEntropy } from '../losses.ts';
import type { PolicyLossSettings } from '../losses.ts';
import type { Parameters } from '../linear.ts';
import type { ModelConfig } from '../models/config.ts';
import type { ImageInputs } from '../models/text.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import type { BatchShape } from './batch-shapes.ts';
import type { FlatLayout } from './flat-layout.ts';
import { declareBatch, labelLogits } from './label-logits.ts';
import { addGradientEntry, trainedTensors } from './trainer.ts';

export interface TrainedModel {
  readonly config: ModelConfig;
  readonly layout: FlatLayout;
  /** All parameters of a pass, from the trained tensors by name. */
  parameters(t: Trace, trained: Record<string, Value>): Parameters;
  /** Where a batch's image embeddings [K, D] come from; by default they are fed as the input `images`. */
  embedImages?(t: Trace, params: Parameters, shape: BatchShape): Value;
}

export const entryOf = (shape: BatchShape, pass: 'gradient' | 'validate' = 'gradient'): string =>
  `${pass}/${[shape.rows, shape.length, shape.tokens, shape.labels, shape.images].join('x')}`;

const declareImages = (
  t: Trace,
  model: TrainedModel,
  params: Parameters,
  shape: BatchShape,
): ImageInputs | undefined => {
  if (shape.images === 0) return undefined;
  const embeds =
    model.embedImages?.(t, params, shape) ?? t.input('images', [shape.images, model.config.text.hiddenSize]);
  return { embeds, index: t.input('imageIndex', [1, shape.tokens], 'int32') };
};

/** Supervised training: inputs of the batch and `weights` [M] → `loss`. */
export const addSupervisedEntry = (program: Program, model: TrainedModel, shape: BatchShape): void =>
  addGradientEntry(program, entryOf(shape), model.layout, (t, trained) => {
    const params = model.parameters(t, trained);
    const batch = declareBatch(t, shape);
    const images = declareImages(t, model, params, shape);
    const logits = labelLogits(t, params, model.config, batch, images);
    return { loss: weightedCrossEntropy(t, logits, batch.labels, t.input('weights', [shape.labels])) };
  });

/**
 * The supervised loss without its gradient: inputs of the batch and `weights` [M] → `loss`, and `hits`, how many labels
 * are the likeliest token.
 */
export const addValidationEntry = (program: Program, model: TrainedModel, shape: BatchShape): void =>
  program.entry(entryOf(shape, 'validate'), (t) => {
    const params = model.parameters(t, trainedTensors(t, model.layout));
    const batch = declareBatch(t, shape);
    const images = declareImages(t, model, params, shape);
    const logits = labelLogits(t, params, model.config, batch, images);
    const weights = t.input('weights', [shape.labels]);
    return {
      outputs: {
        loss: weightedCrossEntropy(t, logits, batch.labels, weights),
        hits: argmaxHits(t, logits, batch.labels, weights),
      },
    };
  });

export interface PolicySettings extends PolicyLossSettings {
  readonly temperature: number;
  /** Feed the sampling model's log-probabilities as `oldLogProbs`; else the model is taken to be the one that sampled. */
  readonly feedOld: boolean;
}

/**
 * Policy training: inputs of the batch, `weights` and `advantages` [M] → `loss`, and per token `logProbs`, `kl`,
 * `entropy`, `clippedLow`, `clippedHigh` [M]. The reference is the same weights without the adapter.
 */
export const addPolicyEntry = (
  program: Program,
  model: TrainedModel,
  shape: BatchShape,
  settings: PolicySettings,
): void =>
  addGradientEntry(program, entryOf(shape), model.layout, (t, trained) => {
    const params = model.parameters(t, trained);
    const batch = declareBatch(t, shape);
    const images = declareImages(t, model, params, shape);
    const logitsOf = (p: Parameters): Value =>
      t.scale(labelLogits(t, p, model.config, batch, images), 1 / settings.temperature);
    const logits = logitsOf(params);
    const logProbs = tokenLogProbs(t, logits, batch.labels);
    const referenceLogProbs =
      settings.beta === 0 ? undefined : tokenLogProbs(t, logitsOf({ base: params.base }), batch.labels);
    const perToken = (name: string): Value => t.input(name, [shape.labels]);
    const { loss, kl, clippedLow, clippedHigh } = policyLoss(
      t,
      {
        logProbs,
        oldLogProbs: settings.feedOld ? perToken('oldLogProbs') : undefined,
        referenceLogProbs,
        advantages: perToken('advantages'),
        weights: perToken('weights'),
      },
      settings,
    );
    return { loss, logProbs, kl, entropy: tokenEntropies(t, logits), clippedLow, clippedHigh };
  });
