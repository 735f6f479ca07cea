/** The batches of a whole job whose rows are known from the start. */
import { planShapes, planWindow } from './micro-batches.ts';
import type { ShapeLimits } from './micro-batches.ts';
import type { LabelledShape } from './rows.ts';

export interface RowSize {
  /** Tokens. */
  readonly length: number;
  readonly labels: number;
}

/** A batch of a window: its shape and its rows, as positions in the window. */
export interface PlannedBatch {
  readonly shape: LabelledShape;
  readonly members: readonly number[];
}

export interface BatchPlan {
  readonly shapes: readonly LabelledShape[];
  batches(window: readonly RowSize[]): readonly PlannedBatch[];
}

/** Room for labels is rounded up to a multiple of this. */
const LABEL_MULTIPLE = 16;

/** Rounding of lengths that wastes little of long rows and makes few shapes of short ones. */
export const lengthMultiple = (longest: number): number => {
  let multiple = 4;
  while (multiple * 64 <= longest) multiple *= 2;
  return multiple;
};

/** Shapes for these windows, each with room for the most labels that any of its batches holds. */
export const planBatches = (
  windows: readonly (readonly RowSize[])[],
  limits: Omit<ShapeLimits, 'multiple'>,
): BatchPlan => {
  const lengths = windows.map((w) => w.map((r) => r.length));
  const longest = Math.max(0, ...lengths.flat());
  const shapes = planShapes(lengths, { ...limits, multiple: lengthMultiple(longest) });
  const rooms = new Map(shapes.map((s) => [s, 1]));
  for (const [i, window] of windows.entries()) {
    for (const { shape, members } of planWindow(lengths[i] ?? [], shapes)) {
      const labels = members.reduce((sum, m) => sum + (window[m]?.labels ?? 0), 0);
      rooms.set(shape, Math.max(rooms.get(shape) ?? 1, labels));
    }
  }
  const labelled = new Map(
    shapes.map((s) => [
      s,
      { ...s, labels: Math.ceil((rooms.get(s) ?? 1) / LABEL_MULTIPLE) * LABEL_MULTIPLE },
    ]),
  );
  return {
    shapes: [...labelled.values()],
    batches: (window) =>
      planWindow(
        window.map((r) => r.length),
        shapes,
      ).map(({ shape, members }) => ({ shape: labelled.get(shape) as LabelledShape, members })),
  };
};
