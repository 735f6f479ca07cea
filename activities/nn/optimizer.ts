/**
 * AdamW (Loshchilov & Hutter 2019) as PyTorch computes it, clipping by global norm, and learning rate schedules.
 *
 * Everything trained lies in one flat vector of P numbers, so that an update is a dozen operations whatever the model.
 *   p <- p (1 - lr wd);  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
 *   p <- p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 *
 * Choices:
 * 1. What depends on the step is computed on the host in float64 and fed as four float32 numbers.
 * 2. Clipping scales by min(1, max / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ does.
 * 3. With warm-up the first step's rate is 0, as in transformers' schedules.
 */
import type { OptimizerSettings } from '../../schemas/optimizer-settings.ts';
import type { Value } from './ops/node.ts';
import type { Trace } from './ops/trace.ts';

type Schedule = Pick<OptimizerSettings, 'learningRate' | 'schedule' | 'warmupSteps'>;

/** Learning rate of optimizer step `step` (counted from 0) of `total`. */
export const learningRateAt = (settings: Schedule, step: number, total: number): number => {
  const { learningRate, schedule, warmupSteps } = settings;
  if (step < warmupSteps) return (learningRate * step) / Math.max(1, warmupSteps);
  const progress = (step - warmupSteps) / Math.max(1, total - warmupSteps);
  if (schedule === 'linear') return learningRate * Math.max(0, 1 - progress);
  if (schedule === 'cosine') return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  return learningRate;
};

/** Size of the `hyper` input of `adamWStep`. */
export const HYPER_SIZE = 4;

/** The numbers of optimizer step `step` (from 0) that `adamWStep` is fed: [HYPER_SIZE]. */
export const adamWHyper = (settings: OptimizerSettings, step: number, total: number): Float32Array => {
  const rate = learningRateAt(settings, step, total);
  const [beta1, beta2] = settings.betas;
  return Float32Array.of(
    rate / (1 - beta1 ** (step + 1)),
    1 / Math.sqrt(1 - beta2 ** (step + 1)),
    1 - rate * settings.weightDecay,
    settings.maxGradNorm ?? 0,
  );
};

/** Trained values and both moments, each [P]. */
export interface AdamWState {
  readonly values: Value;
  readonly m: Value;
  readonly v: Value;
}

/** The Euclidean norm of a vector, a scalar. */
const norm = (t: Trace, x: Value): Value => t.sqrt(t.sum(t.square(x), [0]));

/**
 * One update: state [P], gradient [P], hyper [HYPER_SIZE] → the next state and the gradient's norm before clipping.
 * The caller writes the state back.
 */
export const adamWStep = (
  t: Trace,
  state: AdamWState,
  gradient: Value,
  hyper: Value,
  settings: Pick<OptimizerSettings, 'betas' | 'adamEpsilon' | 'maxGradNorm'>,
): AdamWState & { readonly gradNorm: Value } => {
  const [rate, rootCorrection, decay, maxNorm] = t.split(hyper, [1, 1, 1, 1], 0) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const gradNorm = norm(t, gradient);
  const clipped =
    settings.maxGradNorm === null
      ? gradient
      : t.mul(gradient, t.minimum(t.div(maxNorm, t.add(gradNorm, t.scalar(1e-6))), t.scalar(1)));
  const [beta1, beta2] = settings.betas;
  const m = t.add(t.scale(state.m, beta1), t.scale(clipped, 1 - beta1));
  const v = t.add(t.scale(state.v, beta2), t.scale(t.square(clipped), 1 - beta2));
  const denominator = t.add(t.mul(t.sqrt(v), rootCorrection), t.scalar(settings.adamEpsilon));
  const values = t.sub(t.mul(state.values, decay), t.mul(rate, t.div(m, denominator)));
  return { values, m, v, gradNorm };
};
