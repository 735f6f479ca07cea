import { describe, expect, it } from 'vitest';
import { runSteps, TrainingDiverged } from '../../../../activities/nn/training/loop.ts';
import type { StepReport } from '../../../../activities/nn/training/loop.ts';

const report = (loss: number): StepReport => ({
  loss,
  gradNorm: 1,
  learningRate: 1e-3,
  tokens: 10,
  rows: ['case-7', 'case-9'],
});

const slow = (): StepReport => {
  const end = performance.now() + 5;
  while (performance.now() < end);
  return report(1);
};

const recorder = (signal = new AbortController().signal) => {
  const kept: number[] = [];
  const seen: number[] = [];
  return {
    kept,
    seen,
    io: {
      signal,
      progress: (done: number) => void seen.push(done),
      checkpoint: async (step: number) => void kept.push(step),
    },
  };
};

describe('runSteps', () => {
  it('reports every step and keeps the state at the given interval, not after the last step', async () => {
    const { io, kept, seen } = recorder();
    const summary = await runSteps(0, 6, () => report(1), io, { checkpointSeconds: 60, checkpointSteps: 2 });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    expect(kept).toEqual([2, 4]);
    expect(summary.tokens).toBe(60);
  });

  it('keeps the state by time', async () => {
    const { io, kept } = recorder();
    await runSteps(0, 3, () => report(1), io, { checkpointSeconds: 0 });
    expect(kept).toEqual([1, 2]);
  });

  it('starts where it is told to', async () => {
    const indices: number[] = [];
    const { io } = recorder();
    await runSteps(3, 5, (i) => (indices.push(i), report(1)), io, { checkpointSeconds: 60 });
    expect(indices).toEqual([3, 4]);
  });

  it('ends where the review says so, with its figures and without a further checkpoint', async () => {
    const { io, kept, seen } = recorder();
    const reviewed: number[] = [];
    const figures: unknown[] = [];
    const summary = await runSteps(
      2,
      9,
      () => report(1),
      {
        ...io,
        progress: (done, found) => (seen.push(done), figures.push(found['validationLoss'])),
        review: async (done) => {
          reviewed.push(done);
          return done % 2 === 0 ? { figures: { validationLoss: done }, last: done === 6 } : undefined;
        },
      },
      { checkpointSeconds: 60, checkpointSteps: 1 },
    );
    expect(seen).toEqual([3, 4, 5, 6]);
    expect(reviewed).toEqual(seen);
    expect(figures).toEqual([undefined, 4, undefined, 6]);
    expect(kept).toEqual([3, 4, 5]);
    expect(summary.steps).toBe(4);
  });

  it('reviews no step that went wrong', async () => {
    const { io } = recorder();
    const review = () => Promise.reject(new Error('reviewed'));
    await expect(
      runSteps(0, 1, () => report(NaN), { ...io, review }, { checkpointSeconds: 60 }),
    ).rejects.toThrow(TrainingDiverged);
  });

  it('lets the event loop run between steps', async () => {
    let ticks = 0;
    const { io } = recorder();
    const timer = setInterval(() => ticks++, 0);
    await runSteps(0, 10, slow, io, { checkpointSeconds: 60 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });

  it.each([NaN, Infinity])('stops at loss %d, names the rows and keeps nothing', async (loss) => {
    const { io, kept } = recorder();
    const run = runSteps(0, 5, (i) => report(i === 2 ? loss : 1), io, {
      checkpointSeconds: 60,
      checkpointSteps: 1,
    });
    await expect(run).rejects.toThrow(TrainingDiverged);
    await expect(run).rejects.toThrow(/step 3: .*case-7, case-9.*lower learningRate/);
    expect(kept).toEqual([1, 2]);
  });

  it('saves what it has and throws the reason when it is cancelled', async () => {
    const controller = new AbortController();
    const { io, kept } = recorder(controller.signal);
    const run = runSteps(
      0,
      5,
      (i) => {
        if (i === 1) controller.abort(new Error('cancelled by the user'));
        return report(1);
      },
      io,
      { checkpointSeconds: 60 },
    );
    await expect(run).rejects.toThrow('cancelled by the user');
    expect(kept).toEqual([2]);
  });
});
