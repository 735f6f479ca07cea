/** Conversations as training rows: token ids, rotary positions, and which tokens are labels. */
import type { SftRow } from '../../../schemas/message.ts';
import { expandImageTokens } from '../chat.ts';
import type { ChatModel } from '../chat.ts';
import { positionIds } from '../models/position-ids.ts';
import type { Grid } from '../models/position-ids.ts';
import type { ModelConfig } from '../models/config.ts';
import { targetsOf } from './rows.ts';
import type { TrainingRow } from './rows.ts';
import { splitTurns } from './turns.ts';

/** A row whose images are known by name; `image-embeds.ts` turns names into embeddings. */
export interface ImagedRow extends TrainingRow {
  readonly images: readonly string[];
}

/** A row of the data cannot be trained on. The message names the row. */
export class RowError extends Error {
  override readonly name = 'RowError';
}

/** Encodes one row; `grids` are those of its images in order. The labels are the assistant's words and what ends its turn. */
export const encodeRow = (
  chat: ChatModel,
  config: ModelConfig,
  row: SftRow,
  id: string,
  grids: readonly Grid[],
): ImagedRow => {
  const ids: number[] = [];
  const trained: boolean[] = [];
  let image = 0;
  for (const turn of splitTurns(row.messages, chat.render)) {
    const plain = chat.tokenizer.encode(turn.text);
    const images = plain.filter((token) => token === config.imageTokenId).length;
    const own = grids.slice(image, image + images);
    image += images;
    const expanded = expandImageTokens(plain, own, config.imageTokenId, chat.mergeSize);
    ids.push(...expanded);
    trained.push(...Array.from(expanded, () => turn.trained));
  }
  if (image !== grids.length)
    throw new RowError(`row ${id}: its messages refer to ${image} images, ${grids.length} are given`);
  return {
    id,
    ids: Int32Array.from(ids),
    positions: positionIds(ids, grids, config).ids,
    targets: targetsOf(trained),
    imageTokens: ids.filter((token) => token === config.imageTokenId).length,
    images: row.images,
  };
};

export interface KeptRows<R> {
  readonly rows: readonly R[];
  /** Ids of rows that were dropped for their length. */
  readonly dropped: readonly string[];
}

/** Rows that fit; longer ones are dropped or refused, never cut: a cut could split an image or take an answer's end. */
export const withinLength = <R extends TrainingRow>(
  rows: readonly R[],
  maxTokens: number,
  overlong: 'drop' | 'refuse',
): KeptRows<R> => {
  const long = rows.filter((row) => row.ids.length > maxTokens);
  if (long.length > 0 && overlong === 'refuse') {
    const [first] = long;
    throw new RowError(
      `${long.length} of ${rows.length} rows are longer than maxTokens ${maxTokens}, the first of them ${first?.id} with ${first?.ids.length} tokens: ` +
        'raise maxTokens, lower the images’ maxPixels, or set overlong to drop',
    );
  }
  return {
    rows: rows.filter((row) => row.ids.length <= maxTokens),
    dropped: long.map((row) => row.id),
  };
};
