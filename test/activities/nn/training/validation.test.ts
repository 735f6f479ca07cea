import { describe, expect, it } from 'vitest';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import {
  planValidation,
  validate,
  ValidationDiverged,
} from '../../../../activities/nn/training/validation.ts';
import type { TrainingRow } from '../../../../activities/nn/training/rows.ts';

const row = (id: string, labels: number): TrainingRow => ({
  id,
  ids: new Int32Array(labels + 2),
  positions: new Int32Array(3 * (labels + 2)),
  targets: Int32Array.from({ length: labels }, (_, i) => i + 1),
  imageTokens: 0,
});
const limits = { tokens: 24, shapes: 2, pairCost: 0 };
const rows = Array.from({ length: 130 }, (_, i) => row(`r${i}`, 1 + (i % 7)));

/** A session whose model finds every row's loss to be `loss(row)`, and all its labels right. */
const sessionOf = (loss: (id: string) => number): Session =>
  ({
    run: (_: string, { own, weights }: { own: TrainingRow[]; weights: number[] }) => ({
      loss: [own.reduce((sum, one, i) => sum + loss(one.id) * weights[i]! * one.targets.length, 0)],
      hits: [own.reduce((sum, one) => sum + one.targets.length, 0)],
    }),
  }) as unknown as Session;
const feeds = (own: readonly TrainingRow[], _: unknown, weights: readonly number[]) =>
  Promise.resolve({ own, weights } as never);
const open = new AbortController().signal;

describe('validation', () => {
  it('looks at every row once, in batches that have room for it', () => {
    const plan = planValidation(rows, 'token', limits);
    const seen = plan.batches.flatMap((batch) => batch.rows.map(({ id }) => id));
    expect(seen.toSorted()).toEqual(rows.map(({ id }) => id).toSorted());
    for (const { shape, rows: own } of plan.batches) {
      expect(own.reduce((sum, { ids }) => sum + ids.length, 0)).toBeLessThanOrEqual(shape.tokens);
      expect(plan.shapes).toContain(shape);
    }
  });

  it('averages over all rows as one step of training would, however they are batched', async () => {
    const lossOf = (id: string): number => Number(id.slice(1)) % 5;
    const mean = (of: (one: TrainingRow) => number): number =>
      rows.reduce((sum, one) => sum + lossOf(one.id) * of(one), 0) /
      rows.reduce((sum, one) => sum + of(one), 0);
    for (const [normalisation, weight] of [
      ['sequence', () => 1],
      ['token', (one: TrainingRow) => one.targets.length],
    ] as const) {
      const plan = planValidation(rows, normalisation, limits);
      const found = await validate(sessionOf(lossOf), plan, feeds, open);
      expect(found.validationLoss).toBeCloseTo(mean(weight), 10);
      expect(found.validationTokenAccuracy).toBe(1);
    }
  });

  it('fails at a loss that is no number, and names the rows', async () => {
    const plan = planValidation(rows, 'token', limits);
    const run = validate(
      sessionOf((id) => (id === 'r77' ? NaN : 1)),
      plan,
      feeds,
      open,
    );
    await expect(run).rejects.toThrow(ValidationDiverged);
    await expect(run).rejects.toThrow(/loss is NaN on rows .*r77/);
  });

  it('ends between two batches once it is cancelled', async () => {
    const stop = new AbortController();
    const session = sessionOf(() => (stop.abort(new Error('cancelled')), 1));
    await expect(
      validate(session, planValidation(rows, 'token', limits), feeds, stop.signal),
    ).rejects.toThrow('cancelled');
  });
});
