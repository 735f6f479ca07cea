/**
 * Cuts windows of rows of different lengths into padded batches of few shapes.
 *
 * Every shape [rows, length] costs a graph of its own, every batch an almost constant overhead, every padded token its
 * arithmetic. Shapes are chosen for the whole job before the first step, from its known lengths, so that nothing is
 * retraced on the way; a window's rows are then laid into the cheapest batches that these shapes allow.
 */
export interface BatchShape {
  readonly rows: number;
  readonly length: number;
}

/** A batch of one window: positions of its rows in the window (at most `shape.rows`; the rest of the batch is empty). */
export interface MicroBatch {
  readonly shape: BatchShape;
  readonly members: readonly number[];
}

export interface ShapeLimits {
  /** Padded tokens of one batch. A single longer row still gets a batch of its own. */
  readonly tokens: number;
  /** Lengths are rounded up to a multiple of this. */
  readonly multiple: number;
  /** Graphs a job may have. */
  readonly shapes: number;
}

/** What starting one batch costs, in padded tokens of arithmetic: a graph of a few thousand small operations. */
const OVERHEAD_TOKENS = 48;

export class BatchShapeError extends Error {
  override readonly name = 'BatchShapeError';
}

const cost = (shape: BatchShape): number => shape.rows * shape.length + OVERHEAD_TOKENS;
const keyOf = (shape: BatchShape): string => `${shape.rows}x${shape.length}`;

/** Cheapest shape for `rows` rows of at most `length` tokens, undefined where none is large enough. */
const fitting = (shapes: readonly BatchShape[], rows: number, length: number): BatchShape | undefined => {
  let best: BatchShape | undefined;
  for (const s of shapes) {
    if (s.rows >= rows && s.length >= length && (best === undefined || cost(s) < cost(best))) best = s;
  }
  return best;
};

/**
 * Lays the rows of one window (their lengths in tokens) into batches of the given shapes at the least total cost.
 * Rows are taken in order of length, ties by position, and cut into runs by dynamic programming.
 */
export const planWindow = (lengths: readonly number[], shapes: readonly BatchShape[]): MicroBatch[] => {
  const order = lengths.map((_, i) => i).sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  const widest = Math.max(0, ...shapes.map((s) => s.rows));
  // best[n] is the cheapest way to batch the n shortest rows.
  const best: { cost: number; from: number; shape: BatchShape | undefined }[] = [
    { cost: 0, from: 0, shape: undefined },
  ];
  for (let end = 1; end <= order.length; end++) {
    const length = lengths[order[end - 1] as number] ?? 0;
    let choice = { cost: Infinity, from: -1, shape: undefined as BatchShape | undefined };
    for (let from = Math.max(0, end - widest); from < end; from++) {
      const shape = fitting(shapes, end - from, length);
      if (shape === undefined) continue;
      const total = (best[from]?.cost ?? Infinity) + cost(shape);
      if (total < choice.cost) choice = { cost: total, from, shape };
    }
    if (choice.shape === undefined) {
      throw new BatchShapeError(
        `no batch shape of ${shapes.map(keyOf).join(', ')} takes a row of ${length} tokens: plan the shapes with this length`,
      );
    }
    best.push(choice);
  }
  const batches: MicroBatch[] = [];
  for (let end = order.length; end > 0;) {
    const { from, shape } = best[end] as { from: number; shape: BatchShape };
    batches.push({ shape, members: order.slice(from, end).sort((a, b) => a - b) });
    end = from;
  }
  return batches.reverse();
};

/** All shapes that could serve: for every rounded length, every number of rows up to the limit. */
const candidates = (windows: readonly (readonly number[])[], limits: ShapeLimits): BatchShape[] => {
  const round = (n: number): number => Math.ceil(n / limits.multiple) * limits.multiple;
  const lengths = [...new Set(windows.flatMap((w) => w.map(round)))].sort((a, b) => a - b);
  const widest = Math.max(0, ...windows.map((w) => w.length));
  return lengths.flatMap((length) => {
    const most = Math.max(1, Math.min(widest, Math.floor(limits.tokens / length)));
    const rows = new Set([most]);
    for (let n = 1; n < most; n *= 2) rows.add(n);
    return [...rows].map((n) => ({ rows: n, length }));
  });
};

/**
 * Chooses at most `limits.shapes` batch shapes for a job whose windows hold rows of these lengths: starts from all
 * that could serve and, while there are too many, drops the one that does the least work.
 */
export const planShapes = (windows: readonly (readonly number[])[], limits: ShapeLimits): BatchShape[] => {
  const all = candidates(windows, limits);
  const longest = Math.max(0, ...all.map((s) => s.length));
  // The widest batch of the greatest length takes whatever is left over, so it always stays.
  const last = all.filter((s) => s.length === longest).sort((a, b) => b.rows - a.rows)[0];
  let shapes = thin(all, 48);
  for (;;) {
    const work = new Map<string, number>();
    for (const window of windows) {
      for (const batch of planWindow(window, shapes)) {
        const key = keyOf(batch.shape);
        work.set(key, (work.get(key) ?? 0) + cost(batch.shape));
      }
    }
    const used = shapes.filter((s) => work.has(keyOf(s)));
    if (used.length <= limits.shapes) return used;
    const droppable = used.filter((s) => s !== last);
    droppable.sort((a, b) => (work.get(keyOf(a)) ?? 0) - (work.get(keyOf(b)) ?? 0));
    const drop = Math.max(1, Math.floor((used.length - limits.shapes) / 3));
    const gone = new Set(droppable.slice(0, drop));
    shapes = used.filter((s) => !gone.has(s));
    if (last !== undefined && !shapes.includes(last)) shapes.push(last);
  }

  function thin(shapes: BatchShape[], most: number): BatchShape[] {
    const lengths = [...new Set(shapes.map((s) => s.length))];
    if (shapes.length <= most * 4) return shapes;
    const keep = new Set(
      lengths.filter((_, i) => (lengths.length - 1 - i) % Math.ceil(lengths.length / most) === 0),
    );
    return shapes.filter((s) => keep.has(s.length));
  }
};

/** Share of padded tokens that hold no token. */
export const paddingWaste = (
  windows: readonly (readonly number[])[],
  shapes: readonly BatchShape[],
): number => {
  let held = 0;
  let padded = 0;
  for (const window of windows) {
    for (const batch of planWindow(window, shapes)) {
      padded += batch.shape.rows * batch.shape.length;
      for (const i of batch.members) held += window[i] ?? 0;
    }
  }
  return padded === 0 ? 0 : 1 - held / padded;
};
