import type { ModelConfig } from '../models/config.ts';
import type { Positions } from '../models/position-ids.ts';
import type { HostArray } from '../ops/dtype.ts';
import type { BatchSizes } from './entries.ts';

/** A prompt to be completed. */
export interface GenerationRequest {
  /** Keys the random numbers, so that a completion does not depend on the batch it is made in. */
  readonly id: string;
  readonly tokens: ArrayLike<number>;
  readonly positions: Positions;
  /** Embeddings of its images, row-major, one row for each image token; a function is asked when its batch is due. */
  readonly imageEmbeds?: Float32Array | (() => Promise<Float32Array>);
}

/** A prompt or a request for tokens is larger than the generator was declared for, or has other images than image tokens. */
export class GenerationLimit extends Error {
  override readonly name = 'GenerationLimit';
}

/** Tokens of each place of a batch; an empty place counts as a prompt of one token. */
const promptLengths = (requests: readonly GenerationRequest[], places: number): Int32Array =>
  Int32Array.from({ length: places }, (_, p) => requests[p]?.tokens.length ?? 1);

/** What `prefill` is fed: prompts right-padded into the batch, image embeddings one after the other. */
export async function promptFeeds(
  config: ModelConfig,
  { prompts: P, promptTokens: T, imageEmbeddings: M }: BatchSizes,
  requests: readonly GenerationRequest[],
): Promise<Record<string, HostArray>> {
  const D = config.text.hiddenSize;
  const feeds = {
    ids: new Int32Array(P * T),
    positions: new Int32Array(3 * P * T),
    last: promptLengths(requests, P).map((length, p) => p * T + length - 1),
  };
  const index = Int32Array.from({ length: P * T }, (_, i) => i);
  const embeds = new Float32Array(M * D);
  let row = 0;
  for (const [p, { id, tokens, positions, imageEmbeds }] of requests.entries()) {
    const length = tokens.length;
    feeds.ids.set(tokens, p * T);
    for (let axis = 0; axis < 3; axis++)
      feeds.positions.set(positions.ids.subarray(axis * length, (axis + 1) * length), axis * P * T + p * T);
    if (imageEmbeds === undefined) continue;
    const own = typeof imageEmbeds === 'function' ? await imageEmbeds() : imageEmbeds;
    const end = row + own.length / D;
    if (end > M)
      throw new GenerationLimit(`more than ${M} image embeddings in a batch of ${requests.length} prompts`);
    embeds.set(own, row * D);
    for (let i = 0; i < length; i++) if (tokens[i] === config.imageTokenId) index[p * T + i] = P * T + row++;
    if (row !== end)
      throw new GenerationLimit(
        `prompt ${id}: ${row - end + own.length / D} image tokens, ${own.length / D} embeddings`,
      );
  }
  return M === 0 ? feeds : { ...feeds, index, embeds };
}
