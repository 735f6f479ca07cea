import type { LoraWeights } from '../nn/checkpoint/adapter.ts';

/** Rows of A that one pass over a row of the product adds up: more passes, more loads and stores. */
const LANES = 4;

/** The update as a matrix, s·B·A [N, K]: each entry a sum of r products in float64, rounded once. */
export const lowRankUpdate = ({ a, b, rank, inputs, outputs }: LoraWeights, scale: number): Float32Array => {
  const padded = Math.ceil(rank / LANES) * LANES;
  const lanes = new Float32Array(padded * inputs);
  lanes.set(a);
  const factors = new Float64Array(padded);
  const row = new Float64Array(inputs);
  const update = new Float32Array(outputs * inputs);
  for (let n = 0; n < outputs; n++) {
    for (let r = 0; r < rank; r++) factors[r] = b[n * rank + r]! * scale;
    row.fill(0);
    for (let r = 0; r < padded; r += LANES) {
      const [f0, f1, f2, f3] = [factors[r]!, factors[r + 1]!, factors[r + 2]!, factors[r + 3]!];
      let [i0, i1, i2, i3] = [r * inputs, (r + 1) * inputs, (r + 2) * inputs, (r + 3) * inputs];
      for (let k = 0; k < inputs; k++)
        row[k]! += f0 * lanes[i0++]! + f1 * lanes[i1++]! + f2 * lanes[i2++]! + f3 * lanes[i3++]!;
    }
    update.set(row, n * inputs);
  }
  return update;
};
