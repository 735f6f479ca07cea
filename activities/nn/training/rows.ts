/**
 * Rows of token ids, and how a few of them are laid into one batch.
 *
 * A batch's N tokens lie one after another, so that products, norms and the rest touch no padding. Attention alone sees
 * rows: `places` spreads tokens over a padded [B, T], `tokens` takes them back. Rows are padded at their end, and
 * attention is causal, so no token sees padding and none needs a mask. Only places whose next token is a label go
 * through the output head.
 * Legend: B rows, T length of the longest, N tokens, M label places.
 */
import type { BatchShape, RowSize } from './batch-shapes.ts';

export interface TrainingRow {
  /** For messages and records. */
  readonly id: string;
  /** Tokens, [T]. */
  readonly ids: Int32Array;
  /** Rotary positions on the three axes, [3, T]. */
  readonly positions: Int32Array;
  /** Places whose next token is a label, ascending: the label of place p is ids[p + 1]. */
  readonly targets: Int32Array;
  /** Image tokens. */
  readonly imageTokens: number;
}

/** Places before the marked tokens. A first token has no place before it and is never a label. */
export const targetsOf = (trained: ArrayLike<unknown>): Int32Array => {
  const places: number[] = [];
  for (let i = 1; i < trained.length; i++) if (trained[i]) places.push(i - 1);
  return Int32Array.from(places);
};

export const rowSize = (row: TrainingRow): RowSize => ({
  length: row.ids.length,
  labels: row.targets.length,
  images: row.imageTokens,
});

/** The arrays of a batch that every loss is fed; what is left over is 0 and counts nowhere. */
export interface PackedBatch {
  /** [N] */
  readonly ids: Int32Array;
  /** [3, N] */
  readonly positions: Int32Array;
  /** The token of each place, [B, T]. */
  readonly places: Int32Array;
  /** The place of each token, [N]. */
  readonly tokens: Int32Array;
  /** Tokens whose next one is a label, [M]. */
  readonly targets: Int32Array;
  /** [M] */
  readonly labels: Int32Array;
}

export class BatchOverflow extends Error {
  override readonly name = 'BatchOverflow';
}

export const packRows = (rows: readonly TrainingRow[], shape: BatchShape): PackedBatch => {
  const ids = new Int32Array(shape.tokens);
  const positions = new Int32Array(3 * shape.tokens);
  const places = new Int32Array(shape.rows * shape.length);
  const tokens = new Int32Array(shape.tokens);
  const targets = new Int32Array(shape.labels);
  const labels = new Int32Array(shape.labels);
  let at = 0;
  let label = 0;
  for (const [i, row] of rows.entries()) {
    const n = row.ids.length;
    const over =
      i >= shape.rows ||
      n > shape.length ||
      at + n > shape.tokens ||
      label + row.targets.length > shape.labels;
    if (over)
      throw new BatchOverflow(
        `row ${row.id} (${n} tokens, ${row.targets.length} labels) does not fit a batch of ${shape.rows} rows of ${shape.length}, ` +
          `${shape.tokens} tokens and ${shape.labels} labels in all`,
      );
    ids.set(row.ids, at);
    for (let axis = 0; axis < 3; axis++)
      positions.set(row.positions.subarray(axis * n, (axis + 1) * n), axis * shape.tokens + at);
    for (let p = 0; p < n; p++) {
      places[i * shape.length + p] = at + p;
      tokens[at + p] = i * shape.length + p;
    }
    for (const p of row.targets) {
      targets[label] = at + p;
      labels[label++] = row.ids[p + 1] ?? 0;
    }
    at += n;
  }
  return { ids, positions, places, tokens, targets, labels };
};

/** One number for each row, spread over its label places: [M], 0 in the places left over. */
export const spreadOverLabels = (
  rows: readonly TrainingRow[],
  shape: BatchShape,
  numbers: readonly number[],
): Float32Array => {
  const out = new Float32Array(shape.labels);
  let at = 0;
  for (const [i, row] of rows.entries()) {
    out.fill(numbers[i] ?? 0, at, at + row.targets.length);
    at += row.targets.length;
  }
  return out;
};

/**
 * Where each token's embedding lies, [N]: its own place, or for an image token N + the row of its embedding. The
 * embeddings of all images of the batch stand one after another, in the order of rows.
 */
export const imageIndexOf = (
  rows: readonly TrainingRow[],
  shape: BatchShape,
  imageTokenId: number,
): Int32Array => {
  const index = Int32Array.from({ length: shape.tokens }, (_, i) => i);
  let image = 0;
  let at = 0;
  for (const row of rows) {
    for (const id of row.ids) {
      if (id === imageTokenId) {
        if (image === shape.images)
          throw new BatchOverflow(`row ${row.id}: the batch has room for ${shape.images} image tokens`);
        index[at] = shape.tokens + image++;
      }
      at++;
    }
  }
  return index;
};
