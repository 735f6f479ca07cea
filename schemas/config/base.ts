import { z } from 'zod';
import { count, rate, seed, steps } from './fields.ts';

const pixels = {
  minPixels: count.describe('Smaller images are enlarged to this many pixels'),
  maxPixels: count.describe('Larger images are reduced to this many pixels'),
};

const Vision = z.strictObject({
  depth: count.describe('Blocks'),
  embedDim: count.describe('Width of a patch'),
  heads: count.describe('Attention heads; embedDim / heads is a multiple of 4'),
  mlpRatio: count.describe('Width of the MLP over embedDim'),
  patchSize: count.describe('Side of a patch, in pixels'),
  mergeSize: count.describe('Patches merged into one token, by side'),
});

/** A small Qwen2-VL made on the spot, anchored: sound on general conditions, wrong on the specialties on purpose. */
export const PretrainedBase = z
  .strictObject({
    kind: z.literal('pretrain'),
    path: z
      .string()
      .min(1)
      .describe('The bank it learns from, relative to the project. Not part of any key: the content is'),
    vocabularySize: count.describe('Size of the tokenizer that is made from the bank, at most'),
    hiddenSize: count.describe('Width'),
    layers: count.describe('Decoder layers'),
    heads: count.describe('Query heads'),
    kvHeads: count.describe('Key and value heads; divides heads'),
    headDim: count.describe('Width of a head; heads × headDim = hiddenSize'),
    mropeSection: z
      .tuple([count, count, count])
      .describe('Rotary frequencies for time, height, width; their sum is headDim / 2'),
    intermediateSize: count.describe('Width of the MLP'),
    vision: Vision,
    ...pixels,
    steps: count.describe('Optimizer steps'),
    batchSize: count.describe('Sequences a step'),
    learningRate: rate.describe('Peak learning rate'),
    warmupSteps: steps.describe('Steps of linear warm-up'),
    weightDecay: z.number().min(0).describe('Decoupled weight decay'),
    maxGradNorm: rate.describe('Gradients of a larger norm are scaled down to it'),
    seed: seed.describe('Seed of the initial weights and of the pretraining text'),
  })
  .superRefine((base, context) => {
    const sum = base.mropeSection[0] + base.mropeSection[1] + base.mropeSection[2];
    const rules: [boolean, string, string][] = [
      [
        base.heads * base.headDim === base.hiddenSize,
        'headDim',
        `heads × headDim is ${base.heads * base.headDim}, not hiddenSize ${base.hiddenSize}`,
      ],
      [base.heads % base.kvHeads === 0, 'kvHeads', `does not divide heads ${base.heads}`],
      [sum * 2 === base.headDim, 'mropeSection', `sums to ${sum}, not headDim / 2 = ${base.headDim / 2}`],
      [base.maxPixels >= base.minPixels, 'maxPixels', `is below minPixels ${base.minPixels}`],
    ];
    for (const [holds, field, message] of rules) {
      if (!holds) context.addIssue({ code: 'custom', path: [field], message });
    }
  });

/** A Qwen2-VL or Qwen2.5-VL folder in Hugging Face layout. */
export const CheckpointBase = z.strictObject({
  kind: z.literal('checkpoint'),
  path: z
    .string()
    .min(1)
    .describe('Folder, digest or ref of the checkpoint. Not part of any key: the content is'),
  ...pixels,
});

/** The model that everything starts from. */
export const Base = z.discriminatedUnion('kind', [PretrainedBase, CheckpointBase]);
export type Base = z.infer<typeof Base>;
