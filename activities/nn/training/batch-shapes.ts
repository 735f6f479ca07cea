/**
 * Cuts windows of rows of different lengths into batches of few shapes.
 *
 * A batch's tokens lie one after another without padding between rows; only attention sees a padded [rows, length].
 * Every shape costs a graph of its own, every batch an almost constant overhead, every token its arithmetic, every
 * query-key pair a little. Shapes are chosen for the whole job before the first step, so that nothing is retraced on
 * the way; a window's rows are then laid into the cheapest batches that these shapes allow.
 */
export interface RowSize {
  /** Tokens. */
  readonly length: number;
  readonly labels: number;
  /** Image embeddings. */
  readonly images: number;
}

/** Room of a batch. */
export interface BatchShape {
  readonly rows: number;
  /** Of the longest row. */
  readonly length: number;
  /** Of all rows. */
  readonly tokens: number;
  readonly labels: number;
  readonly images: number;
}

/** A batch of one window: its rows, as positions in the window, in their order. */
export interface MicroBatch {
  readonly shape: BatchShape;
  readonly members: readonly number[];
}

export interface ShapeLimits {
  /** Tokens of one batch. A single longer row still gets a batch of its own. */
  readonly tokens: number;
  /** Graphs a job may have. */
  readonly shapes: number;
  /** Arithmetic of one query-key pair, in that of one token's products. */
  readonly pairCost: number;
}

/** What starting one batch costs, in tokens of arithmetic: a graph of a few thousand small operations. */
const OVERHEAD_TOKENS = 64;

export class BatchShapeError extends Error {
  override readonly name = 'BatchShapeError';
}

const costOf = (shape: BatchShape, pairCost: number): number =>
  shape.tokens + shape.rows * shape.length ** 2 * pairCost + OVERHEAD_TOKENS;

const roundUp = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;

/** Rounding that wastes little of large numbers and makes few different small ones. */
const coarse = (n: number): number => {
  let multiple = 4;
  while (multiple * 32 < n) multiple *= 2;
  return roundUp(n, multiple);
};

const join = (a: BatchShape, b: BatchShape): BatchShape => ({
  rows: Math.max(a.rows, b.rows),
  length: Math.max(a.length, b.length),
  tokens: Math.max(a.tokens, b.tokens),
  labels: Math.max(a.labels, b.labels),
  images: Math.max(a.images, b.images),
});

const fits = (a: BatchShape, b: BatchShape): boolean =>
  a.rows <= b.rows &&
  a.length <= b.length &&
  a.tokens <= b.tokens &&
  a.labels <= b.labels &&
  a.images <= b.images;

/** Each shape once, in the order of the first. */
export const distinctShapes = (shapes: readonly BatchShape[]): BatchShape[] => [
  ...new Map(
    shapes.map((s) => [[s.rows, s.length, s.tokens, s.labels, s.images].join(), s] as const),
  ).values(),
];

const exactShape = (rows: readonly RowSize[]): BatchShape => {
  const sum = (of: (row: RowSize) => number): number => rows.reduce((total, row) => total + of(row), 0);
  return {
    rows: rows.length,
    length: Math.max(0, ...rows.map((r) => r.length)),
    tokens: sum((r) => r.length),
    labels: sum((r) => r.labels),
    images: sum((r) => r.images),
  };
};

const rounded = ({ rows, length, tokens, labels, images }: BatchShape): BatchShape => ({
  rows,
  length: coarse(Math.max(1, length)),
  tokens: coarse(Math.max(1, tokens)),
  labels: coarse(Math.max(1, labels)),
  images,
});

/** Smallest shape that holds these rows, rounded up. */
export const shapeOf = (rows: readonly RowSize[]): BatchShape => rounded(exactShape(rows));

/**
 * Cuts rows, taken in order of length (ties by position), into runs at the least total cost, by dynamic programming.
 * `shapeFor` gives the shape that a run of rows of an exact shape would use, undefined where there is none.
 */
const cut = (
  window: readonly RowSize[],
  pairCost: number,
  shapeFor: (exact: BatchShape) => BatchShape | undefined,
): MicroBatch[] => {
  const order = window
    .map((_, i) => i)
    .sort((a, b) => (window[a]?.length ?? 0) - (window[b]?.length ?? 0) || a - b);
  const sorted = order.map((i) => window[i] as RowSize);
  // best[n] is the cheapest way to batch the n shortest rows.
  const best: { cost: number; from: number; shape?: BatchShape }[] = [{ cost: 0, from: 0 }];
  for (let end = 1; end <= sorted.length; end++) {
    let choice: { cost: number; from: number; shape?: BatchShape } = { cost: Infinity, from: end - 1 };
    let [tokens, labels, images] = [0, 0, 0];
    const { length = 0 } = sorted[end - 1] ?? {};
    for (let from = end - 1; from >= 0; from--) {
      const row = sorted[from] as RowSize;
      tokens += row.length;
      labels += row.labels;
      images += row.images;
      const shape = shapeFor({ rows: end - from, length, tokens, labels, images });
      if (shape === undefined) continue;
      const cost = (best[from]?.cost ?? Infinity) + costOf(shape, pairCost);
      if (cost < choice.cost) choice = { cost, from, shape };
    }
    best.push(choice);
  }
  const batches: MicroBatch[] = [];
  for (let end = sorted.length; end > 0;) {
    const { from, shape } = best[end] ?? { from: 0 };
    const row = sorted[end - 1];
    if (shape === undefined)
      throw new BatchShapeError(
        `no batch shape takes a row of ${row?.length} tokens, ${row?.labels} labels and ${row?.images} image tokens: plan the shapes with it`,
      );
    batches.push({ shape, members: order.slice(from, end).sort((a, b) => a - b) });
    end = from;
  }
  return batches.reverse();
};

/** Lays the rows of one window into batches of the given shapes at the least total cost. */
export const planWindow = (
  window: readonly RowSize[],
  shapes: readonly BatchShape[],
  pairCost: number,
): MicroBatch[] => {
  const cheapestFirst = shapes.toSorted((a, b) => costOf(a, pairCost) - costOf(b, pairCost));
  return cut(window, pairCost, (exact) => cheapestFirst.find((shape) => fits(exact, shape)));
};

/** Share of empty tokens that no further graph is worth. */
const TOLERATED_WASTE = 0.1;

/** Windows that are looked at to choose shapes, spread over the job. */
const SAMPLE = 400;

/**
 * Chooses the fewest shapes for a job of these windows that leave at most a tenth of the tokens empty, or `limits.shapes`
 * of them: the batches each window would like best, in order of cost, are cut into groups that share the shape that holds
 * all of them.
 */
export const planShapes = (windows: readonly (readonly RowSize[])[], limits: ShapeLimits): BatchShape[] => {
  const liked = windows.flatMap((window) =>
    cut(window, limits.pairCost, (exact) => {
      const shape = rounded(exact);
      return shape.tokens <= limits.tokens || shape.rows === 1 ? shape : undefined;
    }).map((batch) => batch.shape),
  );
  liked.sort((a, b) => costOf(a, limits.pairCost) - costOf(b, limits.pairCost));
  // Neighbours are joined until few enough are left for the exact cut below.
  const size = Math.ceil(liked.length / SAMPLE);
  const points: { shape: BatchShape; count: number }[] = [];
  for (let i = 0; i < liked.length; i += size) {
    const part = liked.slice(i, i + size);
    points.push({ shape: part.reduce(join), count: part.length });
  }
  let shapes: BatchShape[] = [];
  for (let count = 1; count <= limits.shapes; count++) {
    shapes = groupPoints(points, count, limits.pairCost);
    if (paddingWaste(windows, shapes, limits.pairCost) <= TOLERATED_WASTE) break;
  }
  return shapes;
};

/** Cuts ordered points into at most `most` groups of the least total cost. */
const groupPoints = (
  points: readonly { readonly shape: BatchShape; readonly count: number }[],
  most: number,
  pairCost: number,
): BatchShape[] => {
  const n = points.length;
  interface Best {
    readonly cost: number;
    readonly shapes: readonly BatchShape[];
  }
  let best: (Best | undefined)[] = Array.from({ length: n + 1 }, (_, i) =>
    i === 0 ? { cost: 0, shapes: [] } : undefined,
  );
  for (let groups = 1; groups <= Math.min(most, n); groups++) {
    const next: (Best | undefined)[] = [...best];
    for (let end = 1; end <= n; end++) {
      let shape: BatchShape | undefined;
      let count = 0;
      for (let from = end - 1; from >= 0; from--) {
        const point = points[from] as (typeof points)[number];
        shape = shape === undefined ? point.shape : join(shape, point.shape);
        count += point.count;
        const before = best[from];
        if (before === undefined) continue;
        const cost = before.cost + count * costOf(shape, pairCost);
        if (cost < (next[end]?.cost ?? Infinity)) next[end] = { cost, shapes: [...before.shapes, shape] };
      }
    }
    best = next;
  }
  return distinctShapes(best[n]?.shapes ?? []);
};

/** Share of the tokens that batches have room for and that hold none. */
export const paddingWaste = (
  windows: readonly (readonly RowSize[])[],
  shapes: readonly BatchShape[],
  pairCost: number,
): number => {
  let held = 0;
  let room = 0;
  for (const window of windows) {
    for (const { shape } of planWindow(window, shapes, pairCost)) room += shape.tokens;
    held += window.reduce((sum, row) => sum + row.length, 0);
  }
  return room === 0 ? 0 : 1 - held / room;
};
