import path from 'node:path';
import { readFile } from 'node:fs/promises';
import { digestOfBytes } from '../../artifacts/canonical.ts';
import { readBank } from '../clinic/bank.ts';
import { writeJson } from '../nn/checkpoint/files.ts';
import { openProcessor } from '../nn/checkpoint/processor.ts';
import { encode } from '../nn/checkpoint/dtype.ts';
import { writeWeights } from '../nn/checkpoint/write-checkpoint.ts';
import { parseModelConfig } from '../nn/models/config.ts';
import { nodeFolder } from '../nn/runtime/files.ts';
import { peakMemory } from '../shell/peak-memory.ts';
import { trainingCheckpoints } from '../shell/training-checkpoints.ts';
import { writeMetrics } from '../shell/training-metrics.ts';
import { defineStage } from '../stage.ts';
import { baseFiles, PretrainParams } from './base-files.ts';
import { pretrainLayout } from './layout.ts';
import { corpusRows, IMAGES_PER_ROW, LONGEST_ROW } from './rows.ts';
import { trainFromScratch } from './train.ts';

/** β of the prototype: a shorter memory of squared gradients suits a thousand steps. */
const BETAS = [0.9, 0.98] as const;

/**
 * Makes the demo's base: a small Qwen2-VL, trained from random weights on the clinic's corpus. Nothing is frozen, so that all
 * weights are float32 whatever the dtype: bfloat16 would round most updates away.
 */
export const pretrainStage = defineStage({
  name: 'pretrain',
  specVersion: 2,
  params: PretrainParams,
  outputs: { model: 'checkpoint' },
  determinism: 'bitwise',
  resources: 'gpu',
  code: ['activities/pretrain/train.ts', 'activities/pretrain/rows.ts', 'activities/pretrain/base-files.ts'],
  async run(params, io) {
    const source = await readFile(path.join(io.inputs['source']!, 'bank.json'));
    const bank = readBank(JSON.parse(source.toString()));
    const out = nodeFolder(io.outputs['model']!);
    const files = baseFiles(bank, params);
    for (const [name, json] of Object.entries(files)) await writeJson(out, name, json);
    const config = parseModelConfig(files['config.json']);
    const processor = await openProcessor(out);
    const side = Math.round(Math.sqrt(params.maxPixels) / params.vision.patchSize);

    const checkpoints = trainingCheckpoints(io, {
      job: 'pretrain',
      totalSteps: params.steps,
      layout: pretrainLayout(config).flat,
      setting: { params, compute: io.compute, inputs: { source: digestOfBytes(source) } },
    });
    const { tensors, history, summary } = await trainFromScratch(
      {
        config,
        seed: params.seed,
        steps: params.steps,
        optimizer: {
          learningRate: params.learningRate,
          schedule: 'linear',
          warmupSteps: params.warmupSteps,
          weightDecay: params.weightDecay,
          betas: BETAS,
          adamEpsilon: 1e-8,
          maxGradNorm: params.maxGradNorm,
        },
        rows: corpusRows(bank, { ...processor, config }, params.seed, params.batchSize),
        grid: { t: 1, h: side, w: side },
        imagesPerRow: IMAGES_PER_ROW,
        maxTokens: LONGEST_ROW,
        lossNormalisation: 'token',
        execution: io.compute.execution,
      },
      {
        signal: io.signal,
        progress: (done, figures) =>
          io.progress({ done, total: params.steps, unit: 'steps', figures: { ...figures } }),
        checkpoint: (step, state) => io.checkpoint(step, (folder) => checkpoints.write(folder, state())),
      },
      await checkpoints.resume(),
    );
    const specs = [...tensors].map(([name, { shape }]) => ({ name, dtype: 'F32' as const, shape }));
    await writeWeights(out, specs, ({ name }) => encode('F32', tensors.get(name)!.data), Infinity);
    await writeMetrics(io.outputs['model']!, history);
    const parameters = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
    return {
      parameters,
      steps: params.steps,
      firstLoss: history[0]?.loss ?? null,
      lastLoss: history.at(-1)?.loss ?? null,
      tokens: summary.tokens,
      seconds: summary.seconds,
      tokensPerSecond: summary.tokens / summary.seconds,
      peakMemoryBytes: peakMemory(),
    };
  },
});
