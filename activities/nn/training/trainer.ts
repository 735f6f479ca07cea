/**
 * Optimizer steps on a session. Trained values, moments and the gradient gathered so far are session variables of P
 * numbers each: a batch goes in, its loss comes out, and nothing else crosses.
 *
 * A step is one or more gradient entry points, whose gradients add up, and then the update. The update runs only once
 * every loss of the step is known to be finite, so that a diverged step leaves the values as they were.
 */
import type { OptimizerSettings } from '../../../schemas/optimizer-settings.ts';
import type { HostArray } from '../ops/dtype.ts';
import { gradient } from '../ops/gradient.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import { adamWHyper, adamWStep, HYPER_SIZE, learningRateAt } from '../optimizer.ts';
import type { Program } from '../runtime/program.ts';
import type { Session } from '../runtime/session.ts';
import { splitFlat } from './flat-layout.ts';
import { yieldToEventLoop } from './loop.ts';
import type { FlatLayout } from './flat-layout.ts';
import type { TrainingArrays } from './state.ts';

/** Group of the variables that training changes. */
const GROUP = 'trained';
const VALUES = `${GROUP}/values`;
const M = `${GROUP}/m`;
const V = `${GROUP}/v`;
const GRADIENT = `${GROUP}/gradient`;
const UPDATE = 'update';

/** The trained tensors by name, read from their variable in any entry point of the program. */
export const trainedTensors = (t: Trace, layout: FlatLayout): Record<string, Value> =>
  splitFlat(t, layout, t.variable(VALUES, [layout.size]));

/** What a gradient entry point is built of: its loss, and what else it tells. */
export interface LossOutputs {
  readonly loss: Value;
  readonly [name: string]: Value;
}

export interface GradientSettings {
  /** Compute layers again in the backward pass: less memory, more time, and maybe other low bits. */
  readonly recompute?: boolean;
  /** A fed input whose own gradient is told too, as the output `cotangent`. */
  readonly through?: string;
}

/** Declares an entry point that adds the gradient of a loss to the gathered one. */
export const addGradientEntry = (
  program: Program,
  name: string,
  layout: FlatLayout,
  build: (t: Trace, trained: Record<string, Value>) => LossOutputs,
  { recompute = false, through }: GradientSettings = {},
): void =>
  program.entry(name, (t) => {
    const values = t.variable(VALUES, [layout.size]);
    const { loss, ...rest } = build(t, splitFlat(t, layout, values));
    const fed = through === undefined ? undefined : t.inputs.get(through);
    const by = fed === undefined ? [values] : [values, fed];
    const [own, cotangent] = gradient(t, loss, by, { recompute }) as [Value, Value?];
    const gathered = t.variable(GRADIENT, [layout.size]);
    // `keep` is 0 for the first batch of a step, 1 for the others.
    const sum = t.add(own, t.mul(gathered, t.input('keep', [1])));
    const told = cotangent === undefined ? {} : { cotangent };
    return { outputs: { ...rest, ...told, loss: t.after([t.assign(gathered, sum)], loss) } };
  });

/** Declares the update by AdamW. */
export const addUpdateEntry = (program: Program, layout: FlatLayout, settings: OptimizerSettings): void =>
  program.entry(UPDATE, (t) => {
    const variable = (name: string): Value => t.variable(name, [layout.size]);
    const state = { values: variable(VALUES), m: variable(M), v: variable(V) };
    const next = adamWStep(t, state, variable(GRADIENT), t.input('hyper', [HYPER_SIZE]), settings);
    const writes = (['values', 'm', 'v'] as const).map((k) => t.assign(state[k], next[k]));
    return { outputs: { gradNorm: t.after(writes, next.gradNorm) } };
  });

export interface Batch {
  /** Gradient entry point. */
  readonly entry: string;
  readonly feeds: Readonly<Record<string, HostArray>>;
  /** Batches that carry the gradient further back, from what this one told; they have no loss of their own. */
  readonly behind?: (outputs: Readonly<Record<string, HostArray>>) => readonly Batch[];
}

export interface StepOutcome {
  /** Sum of the batches' losses: their weights are those of the whole step. */
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Outputs of each batch. */
  readonly outputs: readonly Readonly<Record<string, HostArray>>[];
}

export interface Trainer {
  /** Starts from these values, with zero moments where none are given. */
  start(arrays: { readonly values: Float32Array } & Partial<TrainingArrays>): Promise<void>;
  /** One optimizer step, counted from 0. Where a loss is not finite nothing is updated, and the norm is NaN. */
  step(index: number, batches: readonly Batch[]): Promise<StepOutcome>;
  /** The gathered gradient of batches, without an update. */
  gradientOf(batches: readonly Batch[]): Promise<{ readonly loss: number; readonly gradient: Float32Array }>;
  capture(): TrainingArrays;
  /** The trained values alone. */
  values(): Float32Array;
}

const floats = (array: HostArray): Float32Array =>
  array instanceof Float32Array ? array : Float32Array.from(array);

export const createTrainer = (
  session: Session,
  layout: FlatLayout,
  settings: OptimizerSettings,
  totalSteps: number,
): Trainer => {
  // A batch of a large model takes seconds, so the event loop runs between batches.
  const gather = async (
    batches: readonly Batch[],
  ): Promise<{ loss: number; outputs: Record<string, HostArray>[] }> => {
    const outputs: Record<string, HostArray>[] = [];
    for (const { entry, feeds, behind } of batches) {
      if (outputs.length > 0) await yieldToEventLoop();
      const found = session.run(entry, { ...feeds, keep: Float32Array.of(outputs.length === 0 ? 0 : 1) });
      outputs.push(found);
      for (const next of behind?.(found) ?? []) {
        await yieldToEventLoop();
        session.run(next.entry, { ...next.feeds, keep: Float32Array.of(1) });
      }
    }
    return { loss: outputs.reduce((sum, o) => sum + (o['loss']?.[0] ?? NaN), 0), outputs };
  };
  return {
    start: ({ values, m, v }) => {
      const zeros = new Float32Array(layout.size);
      const arrays = new Map([
        ['values', values],
        ['m', m ?? zeros],
        ['v', v ?? zeros],
      ]);
      return session.fill(GROUP, (name) => arrays.get(name) ?? zeros);
    },
    async step(index, batches) {
      const { loss, outputs } = await gather(batches);
      const learningRate = learningRateAt(settings, index, totalSteps);
      if (!Number.isFinite(loss)) return { loss, gradNorm: NaN, learningRate, outputs };
      const { gradNorm } = session.run(UPDATE, { hyper: adamWHyper(settings, index, totalSteps) });
      return { loss, gradNorm: gradNorm?.[0] ?? NaN, learningRate, outputs };
    },
    async gradientOf(batches) {
      const { loss } = await gather(batches);
      return { loss, gradient: floats(session.get(GRADIENT)) };
    },
    capture() {
      const held = session.read(GROUP);
      const of = (name: string): Float32Array => floats(held.get(name) ?? new Float32Array());
      return { values: of('values'), m: of('m'), v: of('v') };
    },
    values: () => floats(session.get(VALUES)),
  };
};
