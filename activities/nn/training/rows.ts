/**
 * Rows of token ids, and how a few of them are laid into one padded batch.
 *
 * Rows are padded at their end: attention is causal, so no row sees its own padding, and padding needs no mask. Only
 * places whose next token is a label go through the output head.
 * Legend: B rows, T length, M label places of a batch.
 */
import type { BatchShape } from './micro-batches.ts';

export interface TrainingRow {
  /** For messages and records. */
  readonly id: string;
  /** Tokens, [T]. */
  readonly ids: Int32Array;
  /** Rotary positions on the three axes, [3, T]. */
  readonly positions: Int32Array;
  /** Places whose next token is a label, ascending: the label of place p is ids[p + 1]. */
  readonly targets: Int32Array;
  /** Images of the row, in order, as the caller names them. */
  readonly images: readonly string[];
}

/** Places before the marked tokens. A first token has no place before it and is never a label. */
export const targetsOf = (trained: ArrayLike<unknown>): Int32Array => {
  const places: number[] = [];
  for (let i = 1; i < trained.length; i++) if (trained[i]) places.push(i - 1);
  return Int32Array.from(places);
};

/** A shape of batches with room for labels. */
export interface LabelledShape extends BatchShape {
  readonly labels: number;
}

/** The arrays of a batch that every loss is fed: ids [B, T], positions [3, B, T], targets [M], labels [M]. */
export interface PackedBatch {
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  /** Places in the batch read as one line of B x T. */
  readonly targets: Int32Array;
  readonly labels: Int32Array;
}

export class BatchOverflow extends Error {
  override readonly name = 'BatchOverflow';
}

export const packRows = (rows: readonly TrainingRow[], shape: LabelledShape): PackedBatch => {
  const { rows: b, length, labels: room } = shape;
  const ids = new Int32Array(b * length);
  const positions = new Int32Array(3 * b * length);
  const targets = new Int32Array(room);
  const labels = new Int32Array(room);
  let at = 0;
  for (const [i, row] of rows.entries()) {
    const n = row.ids.length;
    if (i >= b || n > length || at + row.targets.length > room)
      throw new BatchOverflow(
        `row ${row.id} (${n} tokens, ${row.targets.length} labels) does not fit a batch of ${b} x ${length} with ${room} labels`,
      );
    ids.set(row.ids, i * length);
    for (let axis = 0; axis < 3; axis++)
      positions.set(row.positions.subarray(axis * n, (axis + 1) * n), (axis * b + i) * length);
    for (const p of row.targets) {
      targets[at] = i * length + p;
      labels[at++] = row.ids[p + 1] ?? 0;
    }
  }
  return { ids, positions, targets, labels };
};

/** One number for each row, spread over its label places: [M], 0 in the places left over. */
export const spreadOverLabels = (
  rows: readonly TrainingRow[],
  shape: LabelledShape,
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
 * Where each token's embedding lies, [B, T]: its own place in the batch, or for an image token B·T + the row of its
 * embedding. Rows' images take `perRow` embeddings each, so that a row's images may be fed wherever it stands.
 */
export const imageIndexOf = (
  rows: readonly TrainingRow[],
  shape: BatchShape,
  imageTokenId: number,
  perRow: number,
): Int32Array => {
  const index = Int32Array.from({ length: shape.rows * shape.length }, (_, i) => i);
  for (const [i, row] of rows.entries()) {
    let image = 0;
    for (const [p, id] of row.ids.entries()) {
      if (id !== imageTokenId) continue;
      if (image === perRow) throw new BatchOverflow(`row ${row.id} has more than ${perRow} image tokens`);
      index[i * shape.length + p] = shape.rows * shape.length + i * perRow + image++;
    }
  }
  return index;
};
