import { trainSft } from '../../activities/sft/train.ts';
import type { SftJob } from '../../activities/sft/train.ts';
import { openCheckpoint } from '../../activities/nn/checkpoint/checkpoint.ts';
import { fillBase } from '../../activities/nn/models/frozen-weights.ts';
import { nodeFolder } from '../../activities/nn/runtime/files.ts';
import type { ImagePatches } from '../../activities/nn/images/patches.ts';
import type { Grid } from '../../activities/nn/models/position-ids.ts';
import { embeddingsOf, positionIds } from '../../activities/nn/models/position-ids.ts';
import type { ModelConfig } from '../../activities/nn/models/config.ts';
import type { ImagedRow } from '../../activities/nn/training/chat-rows.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import { peakMemory } from '../../activities/shell/peak-memory.ts';
import { SftParams } from '../../schemas/sft-params.ts';
import { randomTokens } from './measure.ts';
import type { Measured } from './measure.ts';

export interface TrainBench {
  readonly model: string;
  /** Tokens of a row, the only one of its step; every one is a label. */
  readonly sequence: number;
  readonly rank: number;
  readonly compute: ResolvedCompute;
  /** Compute layers again in the backward pass. */
  readonly recompute: boolean;
  /** Width and height in pixels of an image in each row. */
  readonly image?: readonly [width: number, height: number] | undefined;
  /** Timed steps, after two that are not. */
  readonly steps: number;
}

/** Steps that run before the clock does: graphs are optimised and memory is first touched. */
const WARM_UP = 2;

/** Optimizer steps of supervised training by the code that `sft` runs: gradient, update, batch in, loss out. */
export async function benchTrain(bench: TrainBench): Promise<Measured> {
  const checkpoint = await openCheckpoint(nodeFolder(bench.model));
  const { config } = checkpoint;
  const grid = bench.image === undefined ? undefined : gridOf(bench.image, config);
  const count = bench.steps + WARM_UP;
  const rows = Array.from({ length: count }, (_, i) => randomRow(config, bench.sequence, grid, i));
  const job: SftJob = {
    config,
    compute: bench.compute,
    params: SftParams.parse({
      rank: bench.rank,
      alpha: 2 * bench.rank,
      recompute: bench.recompute,
      learningRate: 1e-4,
      schedule: 'constant',
      epochs: 1,
      accumulate: 1,
    }),
    rows,
    grids: grid === undefined ? [] : [grid],
    loadImage: async () => grayImage(config, grid),
    start: undefined,
    resume: undefined,
    fillBase: (session) => fillBase(session, checkpoint, bench.compute.dtype),
  };
  const ends: number[] = [];
  const io = {
    signal: new AbortController().signal,
    progress: () => void ends.push(performance.now()),
    checkpoint: async () => undefined,
  };
  try {
    await trainSft(job, io, { checkpointSeconds: Number.POSITIVE_INFINITY });
  } finally {
    await checkpoint.close();
  }
  const seconds = ((ends.at(-1) ?? Number.NaN) - (ends[WARM_UP - 1] ?? Number.NaN)) / 1000;
  return {
    arithmetic: bench.compute.arithmetic,
    tokensPerSecond: (bench.steps * bench.sequence) / seconds,
    secondsPerStep: seconds / bench.steps,
    peakMemoryBytes: peakMemory(),
  };
}

/** Patches of an image of this size, which must be a multiple of what one embedding covers. */
function gridOf([width, height]: readonly [number, number], { vision }: ModelConfig): Grid {
  const side = vision.patchSize * vision.mergeSize;
  if (width % side !== 0 || height % side !== 0)
    throw new RangeError(`an image of ${width} x ${height}: width and height are multiples of ${side}`);
  return { t: 1, h: height / vision.patchSize, w: width / vision.patchSize };
}

const grayImage = (config: ModelConfig, grid: Grid | undefined): ImagePatches => {
  if (grid === undefined) throw new TypeError('the rows have no images');
  return {
    grid,
    pixelValues: new Float32Array(grid.t * grid.h * grid.w * config.vision.patchNumbers).fill(0.1),
  };
};

/** Random text, behind the image where there is one. Each row has an image of its own name, so that none is met twice. */
function randomRow(config: ModelConfig, sequence: number, grid: Grid | undefined, index: number): ImagedRow {
  const ids = randomTokens(config, sequence, `row ${index}`);
  const images = grid === undefined ? 0 : embeddingsOf(grid, config.vision.mergeSize);
  if (images + 2 > sequence)
    throw new RangeError(`an image takes ${images + 2} tokens, more than the sequence of ${sequence}`);
  if (images > 0) {
    ids[0] = config.visionStartTokenId;
    ids.fill(config.imageTokenId, 1, images + 1);
  }
  return {
    id: `${index}`,
    ids,
    positions: positionIds(ids, grid === undefined ? [] : [grid], config).ids,
    targets: Int32Array.from({ length: sequence - 1 }, (_, i) => i),
    imageTokens: images,
    images: images > 0 ? [`image ${index}`] : [],
  };
}
