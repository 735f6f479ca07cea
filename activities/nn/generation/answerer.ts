import type { ResolvedCompute } from '../../../schemas/config/compute.ts';
import type { Adapter } from '../checkpoint/adapter.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { fillModel, modelVariables } from '../models/model-variables.ts';
import type { Grid } from '../models/position-ids.ts';
import { embeddingsOf } from '../models/position-ids.ts';
import type { Trace } from '../ops/trace.ts';
import type { Parameters } from '../linear.ts';
import { Program } from '../runtime/program.ts';
import { addVisionEntries, createEmbedder, joinEmbeds } from '../training/image-embeds.ts';
import type { LoadImage } from '../training/image-embeds.ts';
import { planBatches } from './batches.ts';
import { addGenerator } from './generate.ts';
import type { Completion, SamplingOptions } from './completion.ts';
import type { BatchLedger } from './generate.ts';
import type { Prompt } from './prompt.ts';

/** A prompt with the images it shows, by name. */
export interface ImagedPrompt extends Prompt {
  /** Keys the random numbers of its completions. */
  readonly id: string;
  readonly images: readonly string[];
  /** Grids of its images in order. */
  readonly grids: readonly Grid[];
}

export interface AnswererOptions {
  readonly checkpoint: Checkpoint;
  readonly adapter: Adapter | undefined;
  /** By default weights are stored and products computed in float32, as traced. */
  readonly compute?: Pick<ResolvedCompute, 'dtype' | 'arithmetic' | 'execution'>;
  /** Everything that will be asked: graphs are built for these sizes. */
  readonly prompts: readonly ImagedPrompt[];
  readonly loadImage: LoadImage;
  /** Tokens that sampling never draws. Greedy decoding takes what the model prefers, whatever it is, as transformers does. */
  readonly suppressed: readonly number[];
  readonly maxNewTokens: number;
  readonly sampled: boolean;
  /** Completions of each prompt. */
  readonly group?: number;
  /** Rows that are decoded together. */
  readonly rows?: number;
  readonly threads?: number;
}

/** A loaded model that completes the prompts it was opened for. */
export interface Answerer extends Disposable {
  /** Completions of each prompt, `group` each, in order. Requests of the ledger are places of prompts. */
  answer(sampling: SamplingOptions, ledger?: BatchLedger): Promise<Completion[][]>;
}

/** Rows of a batch beyond which a step takes proportionally longer on few cores. */
const defaultRows = 64;

export async function openAnswerer(options: AnswererOptions): Promise<Answerer> {
  const { checkpoint, adapter, compute, prompts, group = 1 } = options;
  const { config } = checkpoint;
  const program = new Program();
  const source = (t: Trace): Parameters => modelVariables(t, config, adapter, compute?.arithmetic);
  const sizes = prompts.map(({ tokens, grids }) => ({
    tokens: tokens.length,
    imageEmbeddings: grids.reduce((sum, grid) => sum + embeddingsOf(grid, config.vision.mergeSize), 0),
  }));
  const batches = planBatches(sizes, { rows: options.rows ?? defaultRows, group, lengths: 4 });
  const generator = addGenerator(program, {
    name: 'answer',
    config,
    source,
    batches,
    maxNewTokens: options.maxNewTokens,
    modes: [options.sampled ? 'sample' : 'greedy'],
    suppressed: options.sampled ? options.suppressed : [],
  });
  const vision = addVisionEntries(
    program,
    config,
    source,
    prompts.flatMap(({ grids }) => grids),
  );
  const session = await program.load({
    execution: compute?.execution ?? 'graph',
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  try {
    await fillModel(session, checkpoint, adapter, compute?.dtype);
    generator.prepare(session);
  } catch (error) {
    session.dispose();
    throw error;
  }
  const embedder = createEmbedder(session, options.loadImage, vision);
  return {
    answer(sampling, ledger) {
      const requests = prompts.map(({ id, tokens, positions, images }, i) => {
        const numbers = (sizes[i]?.imageEmbeddings ?? 0) * config.text.hiddenSize;
        if (numbers === 0) return { id, tokens, positions };
        return { id, tokens, positions, imageEmbeds: () => joinEmbeds(embedder, images, numbers) };
      });
      return generator.generate(session, requests, sampling, ledger);
    },
    [Symbol.dispose]: () => session.dispose(),
  };
}
