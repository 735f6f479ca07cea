/**
 * Losses over label tokens that lie one after another, whatever rows they come from: M tokens of a batch.
 *
 * Every average is a weight per token, computed on the host by `token-weights.ts`, so that one graph serves every
 * normalisation and the gradients of micro-batches add up to those of the whole window. Empty places have weight 0.
 * Legend: M label tokens (padded), V vocabulary.
 */
import type { Value } from './ops/node.ts';
import type { Trace } from './ops/trace.ts';

/** Log-probabilities of the labels: logits [M, V] float32, labels [M] → [M], at most 0. */
export const tokenLogProbs = (t: Trace, logits: Value, labels: Value): Value =>
  t.neg(t.crossEntropy(logits, labels));

/** Weighted cross-entropy, a scalar in nats: logits [M, V] float32, labels [M] int32, weights [M]. */
export const weightedCrossEntropy = (t: Trace, logits: Value, labels: Value, weights: Value): Value =>
  t.sum(t.mul(t.crossEntropy(logits, labels), weights), [0]);

/** How many labels are the likeliest token of all, a scalar; labels of weight 0 do not count. Shapes as above. */
export const argmaxHits = (t: Trace, logits: Value, labels: Value, weights: Value): Value => {
  const counted = t.less(t.scalar(0), weights);
  return t.sum(t.cast(t.and(t.equal(t.argmax(logits), labels), counted), 'float32'), [0]);
};

export interface PolicyLossInputs {
  /** Log-probabilities under the model in training, [M]. */
  readonly logProbs: Value;
  /** Under the model that sampled, [M]; undefined where that is the model in training, before any update. */
  readonly oldLogProbs: Value | undefined;
  /** Under the frozen model that training started from, [M]; undefined where beta is 0. */
  readonly referenceLogProbs: Value | undefined;
  /** Each token's advantage, that of its completion, [M]. */
  readonly advantages: Value;
  /** [M]. */
  readonly weights: Value;
}

export interface PolicyLossSettings {
  readonly beta: number;
  readonly clip: number;
  readonly clipHigh: number | null;
}

export interface PolicyLoss {
  /** What is minimised, a scalar. */
  readonly loss: Value;
  /** k3 estimate of each token's divergence, [M]. */
  readonly kl: Value;
  /** 1 where the ratio is below 1 - clip and the advantage negative, [M]. */
  readonly clippedLow: Value;
  /** 1 where the ratio is above 1 + clipHigh and the advantage positive, [M]. */
  readonly clippedHigh: Value;
}

/**
 * The clipped objective of GRPO (Shao et al. 2024, eq. 3; here eq. 5):
 * `loss = -sum w (min(rho A, clip(rho) A) - beta k3)`, rho = exp(lp - old), k3 = exp(ref - lp) - (ref - lp) - 1.
 *
 * With one update for each rollout old = lp, whose ratio is 1 and whose gradient is A times that of lp: the loss is then
 * near 0 at first although it teaches.
 */
export const policyLoss = (t: Trace, inputs: PolicyLossInputs, settings: PolicyLossSettings): PolicyLoss => {
  const { logProbs, advantages } = inputs;
  const low = 1 - settings.clip;
  const high = 1 + (settings.clipHigh ?? settings.clip);
  const one = t.scalar(1);
  const ratio = t.exp(t.sub(logProbs, inputs.oldLogProbs ?? t.stopGradient(logProbs)));
  const clipped = t.minimum(t.maximum(ratio, t.scalar(low)), t.scalar(high));
  const gain = t.minimum(t.mul(ratio, advantages), t.mul(clipped, advantages));
  const zeros = t.full(logProbs.shape, 0);
  const kl = inputs.referenceLogProbs === undefined ? zeros : k3(inputs.referenceLogProbs, logProbs);
  const objective = settings.beta === 0 ? gain : t.sub(gain, t.scale(kl, settings.beta));
  const flag = (ratioOut: Value, sign: Value): Value => t.cast(t.and(ratioOut, sign), 'float32');
  return {
    loss: t.neg(t.sum(t.mul(objective, inputs.weights), [0])),
    kl,
    clippedLow: flag(t.less(ratio, t.scalar(low)), t.less(advantages, zeros)),
    clippedHigh: flag(t.less(t.scalar(high), ratio), t.less(zeros, advantages)),
  };

  function k3(reference: Value, policy: Value): Value {
    const difference = t.sub(reference, policy);
    return t.sub(t.sub(t.exp(difference), difference), one);
  }
};

/** Entropy of each token's distribution in nats, [M], from logits [M, V] float32. */
export const tokenEntropies = (t: Trace, logits: Value): Value => {
  const shifted = t.sub(logits, t.max(logits, [1], true));
  const exps = t.exp(shifted);
  const total = t.sum(exps, [1], true);
  const mean = t.div(t.sum(t.mul(exps, shifted), [1], true), total);
  return t.reshape(t.sub(t.log(total), mean), [logits.shape[0] ?? 0]);
};
