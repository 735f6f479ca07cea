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

/** Rows of A that one pass over a row of the product adds up: more passes, more loads and stores. */
const LANES = 4;

/** s·B·A, row by row: each row of the product is a sum of r rows of A, added up four at a time and then rounded. */
export const lowRankProduct: LowRankProduct = ({ a, b, rank, inputs, outputs }, scale) => {
  const product = new Float32Array(outputs * inputs);
  const padded = Math.ceil(rank / LANES) * LANES;
  const lanes = new Float32Array(padded * inputs);
  lanes.set(a);
  const factors = new Float64Array(padded);
  for (let n = 0; n < outputs; n++) {
    for (let r = 0; r < rank; r++) factors[r] = b[n * rank + r]! * scale;
    const at = n * inputs;
    for (let r = 0; r < padded; r += LANES) {
      const [f0, f1, f2, f3] = [factors[r]!, factors[r + 1]!, factors[r + 2]!, factors[r + 3]!];
      let [i0, i1, i2, i3] = [r * inputs, (r + 1) * inputs, (r + 2) * inputs, (r + 3) * inputs];
      for (let k = at; k < at + inputs; k++)
        product[k]! += f0 * lanes[i0++]! + f1 * lanes[i1++]! + f2 * lanes[i2++]! + f3 * lanes[i3++]!;
    }
  }
  return product;
};

const isFinite = (vector: Float32Array): boolean => {
  for (let i = 0; i < vector.length; i++) if (!Number.isFinite(vector[i]!)) return false;
  return true;
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
  if (vector !== undefined && !isFinite(vector))
    throw new NonFiniteVector(`vector ${source.name} is not finite in ${tensor}`);
  return vector;
};
