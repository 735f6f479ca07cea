/**
 * The entry points of training: a batch in, its loss out, the gradient gathered.
 * Legend: N tokens, M label places, K image embeddings, D hidden size.
 */
import { argmaxHits, policyLoss, tokenEntropies, tokenLogProbs, weightedCrossEntropy } from '../losses.ts';
import type { PolicyLossSettings } from '../losses.ts';
import type { Parameters } from '../linear.ts';
import type { ModelConfig } from '../models/config.ts';
import { logits, outputTable } from '../models/text.ts';
import type { ImageInputs } from '../models/text.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import { withDropout } from './adapter.ts';
import type { BatchShape } from './batch-shapes.ts';
import type { FlatLayout } from './flat-layout.ts';
import { labelChunks, overLabels } from './label-chunks.ts';
import type { PartOf } from './label-chunks.ts';
import { declareBatch, labelHidden } from './label-logits.ts';
import { addGradientEntry, trainedTensors } from './trainer.ts';
import type { GradientSettings } from './trainer.ts';

export interface TrainedModel {
  readonly config: ModelConfig;
  readonly layout: FlatLayout;
  /** All parameters of a pass, from the trained tensors by name. */
  parameters(t: Trace, trained: Record<string, Value>): Parameters;
  /** Where a batch's image embeddings [K, D] come from; by default they are fed as the input `images`. */
  embedImages?(t: Trace, params: Parameters, shape: BatchShape): Value;
  /** The vision tower is trained by entry points of its own: gradient entries tell the gradient of `images` as `cotangent`. */
  readonly trainsTower?: boolean;
  /** Rate of dropout before each adapted layer, in gradient entries alone; above 0 they are fed the key `dropout`, [2]. */
  readonly dropout?: number;
  /** Compute layers again in the backward pass. */
  readonly recompute?: boolean;
}

export const gradientSettings = ({ recompute = false, trainsTower }: TrainedModel): GradientSettings => ({
  recompute,
  ...(trainsTower === true ? { through: 'images' } : {}),
});

/** All parameters of a pass that is trained. */
export const trainingParameters = (
  t: Trace,
  model: TrainedModel,
  trained: Record<string, Value>,
): Parameters => withDropout(t, model.parameters(t, trained), model.dropout ?? 0);

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

/** An input of one number for each label place, declared where it is first asked for. */
const perLabel = (t: Trace, { labels }: BatchShape, name: string): Value =>
  t.inputs.get(name) ?? t.input(name, [labels]);

/** A loss over the label places' hidden states [M, D], in chunks where their logits are too many. */
const lossOver = <K extends string>(
  t: Trace,
  model: TrainedModel,
  params: Parameters,
  { hidden, trained }: { readonly hidden: Value; readonly trained: Record<string, Value> },
  build: (part: PartOf) => Readonly<Record<K | 'loss', Value>>,
): Record<K | 'loss', Value> => {
  const table = outputTable(params, model.config);
  const shared = Object.values(trained).includes(table) ? [table] : [];
  const chunks = labelChunks(dim(hidden.shape, 0), model.config.text.vocabSize, t.lanes);
  return overLabels(t, chunks, { rows: [hidden], shared }, build);
};

/** Supervised training: inputs of the batch and `weights` [M] → `loss`. */
export const addSupervisedEntry = (program: Program, model: TrainedModel, shape: BatchShape): void =>
  addGradientEntry(
    program,
    entryOf(shape),
    model.layout,
    (t, trained) => {
      const params = trainingParameters(t, model, trained);
      const batch = declareBatch(t, shape);
      const images = declareImages(t, model, params, shape);
      const hidden = labelHidden(t, params, model.config, batch, images);
      return lossOver(t, model, params, { hidden, trained }, (part) => {
        const found = logits(t, params, model.config, part(hidden));
        const weights = part(perLabel(t, shape, 'weights'));
        return { loss: weightedCrossEntropy(t, found, part(batch.labels), weights) };
      });
    },
    gradientSettings(model),
  );

/**
 * The supervised loss without its gradient: inputs of the batch and `weights` [M] → `loss`, and `hits`, how many labels
 * are the likeliest token.
 */
export const addValidationEntry = (program: Program, model: TrainedModel, shape: BatchShape): void =>
  program.entry(entryOf(shape, 'validate'), (t) => {
    const params = model.parameters(t, trainedTensors(t, model.layout));
    const batch = declareBatch(t, shape);
    const images = declareImages(t, model, params, shape);
    const hidden = labelHidden(t, params, model.config, batch, images);
    const outputs = lossOver<'hits'>(t, model, params, { hidden, trained: {} }, (part) => {
      const found = logits(t, params, model.config, part(hidden));
      const [labels, weights] = [part(batch.labels), part(perLabel(t, shape, 'weights'))];
      return {
        loss: weightedCrossEntropy(t, found, labels, weights),
        hits: argmaxHits(t, found, labels, weights),
      };
    });
    return { outputs };
  });

export interface PolicySettings extends PolicyLossSettings {
  readonly temperature: number;
  /** Feed the sampling model's log-probabilities as `oldLogProbs`; else the model is taken to be the one that sampled. */
  readonly feedOld: boolean;
}

/**
 * Policy training: inputs of the batch, `weights` and `advantages` [M] → `loss`, and per token `logProbs`, `kl`,
 * `entropy`, `clippedLow`, `clippedHigh` [M]. The reference is the same weights without the adapter and without dropout;
 * where the vision tower is trained, it is fed the embeddings of the untrained one as `referenceImages`.
 */
export const addPolicyEntry = (
  program: Program,
  model: TrainedModel,
  shape: BatchShape,
  settings: PolicySettings,
): void =>
  addGradientEntry(
    program,
    entryOf(shape),
    model.layout,
    (t, trained) => {
      const params = trainingParameters(t, model, trained);
      const frozen: Parameters = { base: params.base };
      const batch = declareBatch(t, shape);
      const images = declareImages(t, model, params, shape);
      const hidden = labelHidden(t, params, model.config, batch, images);
      let known: Value | undefined;
      const reference = (): Value => {
        known ??= labelHidden(t, frozen, model.config, batch, referenceImages(t, model, images));
        return known;
      };
      return lossOver(t, model, params, { hidden, trained }, (part) => {
        const labels = part(batch.labels);
        const logitsOf = (p: Parameters, rows: Value): Value =>
          t.scale(logits(t, p, model.config, part(rows)), 1 / settings.temperature);
        const policy = logitsOf(params, hidden);
        const logProbs = tokenLogProbs(t, policy, labels);
        const referenceLogProbs =
          settings.beta === 0 ? undefined : tokenLogProbs(t, logitsOf(frozen, reference()), labels);
        const perToken = (name: string): Value => part(perLabel(t, shape, name));
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
        return { loss, logProbs, kl, entropy: tokenEntropies(t, policy), clippedLow, clippedHigh };
      });
    },
    gradientSettings(model),
  );

const referenceImages = (
  t: Trace,
  { trainsTower }: TrainedModel,
  images: ImageInputs | undefined,
): ImageInputs | undefined => {
  if (images === undefined || trainsTower !== true) return images;
  return { ...images, embeds: t.input('referenceImages', images.embeds.shape) };
};
