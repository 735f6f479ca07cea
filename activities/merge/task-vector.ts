/**
 * Task vectors: what training added to a model's weights, in float32.
 *
 * They are (α/r)·B·A of the adapter's own matrices, never differences of stored checkpoints: for weights of size 0.02
 * and an update of size 1e-5, bfloat16 keeps a tenth of the update.
 * Legend: r rank, K inputs, N outputs of a linear layer.
 */
import { scaleOf, type Adapter, type LoraWeights } from '../nn/checkpoint/adapter.ts';

/** Computes s·B·A [N, K] from B [N, r] and A [r, K]; a faster one may take this one's place. */
export type LowRankProduct = (lora: LoraWeights, scale: number) => Float32Array | Promise<Float32Array>;

/** s·B·A in float32, row by row: each row of the product is a sum of r rows of A. */
export const lowRankProduct: LowRankProduct = ({ a, b, rank, inputs, outputs }, scale) => {
  const product = new Float32Array(outputs * inputs);
  for (let n = 0; n < outputs; n++) {
    const row = product.subarray(n * inputs, (n + 1) * inputs);
    for (let r = 0; r < rank; r++) {
      const factor = b[n * rank + r]!;
      const from = r * inputs;
      for (let k = 0; k < inputs; k++) row[k]! += factor * a[from + k]!;
    }
    for (let k = 0; k < inputs; k++) row[k]! *= scale;
  }
  return product;
};

/** A vector holds infinity or NaN: its training diverged. */
export class NonFiniteVector extends Error {
  override readonly name = 'NonFiniteVector';
}

/** One named task vector: an adapter, the stored vector of what it was trained on, or both. */
export interface VectorSource {
  readonly name: string;
  readonly weight: number;
  readonly adapter?: Adapter | undefined;
  /** Reads the start's part of a tensor; undefined where the start does not touch it. */
  readonly start?: ((tensor: string) => Promise<Float32Array | undefined>) | undefined;
  /** Tensors that the start touches. */
  readonly startTensors?: ReadonlySet<string> | undefined;
}

/** Tensors (`….weight`) that a vector touches; it is 0 everywhere else. */
export const touchedBy = ({ adapter, startTensors }: VectorSource): Set<string> =>
  new Set([
    ...(startTensors ?? []),
    ...[...(adapter?.modules.keys() ?? [])].map((module) => `${module}.weight`),
  ]);

/** τ of one tensor: the start's part, if there is one, plus the adapter's; undefined where both are absent. */
export const vectorOf = async (
  source: VectorSource,
  tensor: string,
  product: LowRankProduct,
): Promise<Float32Array | undefined> => {
  const lora = source.adapter?.modules.get(tensor.replace(/\.weight$/, ''));
  const learned = lora && (await product(lora, scaleOf(lora, source.adapter!.settings)));
  const start = await source.start?.(tensor);
  const vector = learned ?? start;
  if (learned !== undefined && start !== undefined)
    for (let i = 0; i < learned.length; i++) learned[i]! += start[i]!;
  if (vector?.every(Number.isFinite) === false)
    throw new NonFiniteVector(`vector ${source.name} is not finite in ${tensor}`);
  return vector;
};
