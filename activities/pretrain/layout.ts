/**
 * All parameters of a model as one flat vector. Matrices of one input (queries, keys and values; gate and up) lie stacked
 * as one, so that each is one product; they are taken apart when the model is written.
 */
import { fusedName } from '../nn/linear.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import { modelParameters } from '../nn/models/parameters.ts';
import { normal, randomKey } from '../nn/random.ts';
import { flatLayout, unflatten } from '../nn/training/flat-layout.ts';
import type { FlatLayout } from '../nn/training/flat-layout.ts';

interface Part {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface PretrainLayout {
  readonly flat: FlatLayout;
  /** The model's own parameters that an entry of the layout is stacked of, in order. */
  readonly parts: ReadonlyMap<string, readonly Part[]>;
}

const GROUPS = [
  ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  ['mlp.gate_proj', 'mlp.up_proj'],
];

/** Name of the stack that a parameter belongs to, undefined for one that stands alone. */
const stackOf = (name: string): string | undefined => {
  const match = /^(model\.layers\.\d+\.)(.+)\.(weight|bias)$/.exec(name);
  if (match === null) return undefined;
  const [, layer = '', module = '', kind = ''] = match;
  const group = GROUPS.find((g) => g.includes(module));
  return group && `${fusedName(group.map((m) => layer + m))}.${kind}`;
};

export const pretrainLayout = (config: ModelConfig): PretrainLayout => {
  const parts = new Map<string, Part[]>();
  for (const parameter of modelParameters(config)) {
    const entry = stackOf(parameter.name) ?? parameter.name;
    parts.set(entry, [...(parts.get(entry) ?? []), parameter]);
  }
  const entries = [...parts].map(([name, stacked]) => ({
    name,
    shape: [stacked.reduce((rows, p) => rows + (p.shape[0] ?? 0), 0), ...(stacked[0]?.shape.slice(1) ?? [])],
  }));
  return { flat: flatLayout(entries), parts };
};

/** Spread of the embeddings; matrices take 0.7 / √inputs, which keeps activations near 1 at any width. */
const EMBEDDING_STD = 0.05;
const MATRIX_GAIN = 0.7;

/** Random initial values: normal matrices, norms 1, biases 0; each parameter's numbers depend on seed and name only. */
export const startModel = ({ flat, parts }: PretrainLayout, seed: number): Float32Array => {
  const values = new Float32Array(flat.size);
  let at = 0;
  for (const { name } of flat.entries)
    for (const part of parts.get(name) ?? []) {
      const [rows = 1, columns] = part.shape;
      const size = rows * (columns ?? 1);
      if (columns !== undefined) {
        const std = part.name.includes('embed_tokens') ? EMBEDDING_STD : MATRIX_GAIN / Math.sqrt(columns);
        const draws = normal(randomKey(seed, 'pretrain', part.name), size);
        values.set(
          draws.map((x) => x * std),
          at,
        );
      } else if (part.name.endsWith('.weight')) values.fill(1, at, at + size);
      at += size;
    }
  return values;
};

/** The model's parameters under the names they have on disk. */
export const modelTensors = (
  { flat, parts }: PretrainLayout,
  values: Float32Array,
): Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }> => {
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { data }] of unflatten(flat, values)) {
    let at = 0;
    for (const { name: own, shape } of parts.get(name) ?? []) {
      const size = shape.reduce((n, d) => n * d, 1);
      tensors.set(own, { shape, data: data.subarray(at, at + size) });
      at += size;
    }
  }
  return tensors;
};
