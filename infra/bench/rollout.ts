import { openCheckpoint } from '../../activities/nn/checkpoint/checkpoint.ts';
import { addGenerator } from '../../activities/nn/generation/generate.ts';
import { fillBase } from '../../activities/nn/models/frozen-weights.ts';
import { baseVariables } from '../../activities/nn/models/parameters.ts';
import { positionIds } from '../../activities/nn/models/position-ids.ts';
import { Program } from '../../activities/nn/runtime/program.ts';
import { nodeFolder } from '../../activities/nn/runtime/files.ts';
import { startAdapter } from '../../activities/nn/training/adapter-start.ts';
import { adapterLayout, adapterPairs } from '../../activities/nn/training/adapter.ts';
import { addUpdateEntry, createTrainer, trainedTensors } from '../../activities/nn/training/trainer.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import { peakMemory } from '../../activities/shell/peak-memory.ts';
import { GbaParams } from '../../schemas/gba-params.ts';
import { randomTokens } from './measure.ts';
import type { Measured } from './measure.ts';

export interface RolloutBench {
  readonly model: string;
  /** Tokens of a prompt. */
  readonly prompt: number;
  /** Tokens of each completion. */
  readonly newTokens: number;
  /** Completions of a prompt. */
  readonly group: number;
  readonly prompts: number;
  readonly rank: number;
  readonly compute: ResolvedCompute;
}

/**
 * The rollouts of one optimizer step as `gba` makes them: the adapter is taken as it stands, prompts are read, tokens
 * are sampled at temperature 1. No token ends a completion.
 */
export async function benchRollout(bench: RolloutBench): Promise<Measured> {
  const checkpoint = await openCheckpoint(nodeFolder(bench.model));
  const { config } = checkpoint;
  const { prompts, group, prompt, newTokens } = bench;
  const layout = adapterLayout(config, bench.rank);
  const settings = GbaParams.parse({ steps: 1, rank: bench.rank });
  const program = new Program();
  addUpdateEntry(program, layout, settings);
  const generator = addGenerator(program, {
    name: 'rollout',
    config,
    source: (t) => ({
      base: baseVariables(t, config, bench.compute.arithmetic),
      lora: adapterPairs(config, trainedTensors(t, layout), 2),
    }),
    batches: [{ prompts, group, promptTokens: prompt, imageEmbeddings: 0 }],
    maxNewTokens: newTokens,
    modes: ['sample'],
    suppressed: [config.imageTokenId, config.videoTokenId],
  });
  const session = await program.load();
  try {
    await fillBase(session, checkpoint, bench.compute.dtype);
    await createTrainer(session, layout, settings, 1).start({ values: startAdapter(layout, 0) });
    const requests = Array.from({ length: prompts }, (_, i) => {
      const tokens = randomTokens(config, prompt, `prompt ${i}`);
      return { id: `${i}`, tokens, positions: positionIds(tokens, [], config) };
    });
    const rollOut = async (maxNewTokens: number): Promise<number> => {
      const started = performance.now();
      generator.adapt(session);
      await generator.generate(session, requests, {
        maxNewTokens,
        stopTokens: [],
        temperature: 1,
        seed: 0,
      });
      return (performance.now() - started) / 1000;
    };
    generator.prepare(session);
    await rollOut(Math.min(4, newTokens));
    const seconds = await rollOut(newTokens);
    return {
      arithmetic: bench.compute.arithmetic,
      tokensPerSecond: (prompts * group * newTokens) / seconds,
      secondsPerStep: seconds / newTokens,
      peakMemoryBytes: peakMemory(),
    };
  } finally {
    session.dispose();
    await checkpoint.close();
  }
}
