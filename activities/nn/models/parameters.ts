import type { DType } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import type { Shape } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import type { ModelConfig, TextConfig, VisionConfig } from './config.ts';

/** A parameter by the name it has on disk. */
export interface ParameterShape {
  readonly name: string;
  readonly shape: Shape;
}

/** A matrix that LoRA can update: its module's name on disk, `x [K] → [N]`. */
export interface LinearShape {
  readonly module: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** The linear layers of the language model's blocks, in order. The output projection is not one of them. */
export function textLinears(config: TextConfig): LinearShape[] {
  const { hiddenSize: D, intermediateSize: I, heads, kvHeads, headDim } = config;
  const block = [
    ['self_attn.q_proj', D, heads * headDim],
    ['self_attn.k_proj', D, kvHeads * headDim],
    ['self_attn.v_proj', D, kvHeads * headDim],
    ['self_attn.o_proj', heads * headDim, D],
    ['mlp.gate_proj', D, I],
    ['mlp.up_proj', D, I],
    ['mlp.down_proj', I, D],
  ] as const;
  return Array.from({ length: config.layers }, (_, layer) =>
    block.map(([name, inputs, outputs]) => ({ module: `model.layers.${layer}.${name}`, inputs, outputs })),
  ).flat();
}

/** The linear layers of the vision tower's blocks, in order. */
export function visionLinears({ kind, depth, dim, mlpDim }: VisionConfig): LinearShape[] {
  const block = [
    ['attn.qkv', dim, 3 * dim],
    ['attn.proj', dim, dim],
    ...(kind === 'qwen2_vl'
      ? ([
          ['mlp.fc1', dim, mlpDim],
          ['mlp.fc2', mlpDim, dim],
        ] as const)
      : ([
          ['mlp.gate_proj', dim, mlpDim],
          ['mlp.up_proj', dim, mlpDim],
          ['mlp.down_proj', mlpDim, dim],
        ] as const)),
  ] as const;
  return Array.from({ length: depth }, (_, i) =>
    block.map(([name, inputs, outputs]) => ({ module: `visual.blocks.${i}.${name}`, inputs, outputs })),
  ).flat();
}

/** The two linear layers that make one embedding of the tower's neighbouring patches. */
export function mergerLinears({ dim, mergeSize, outDim }: VisionConfig): LinearShape[] {
  const merged = dim * mergeSize ** 2;
  return [
    { module: 'visual.merger.mlp.0', inputs: merged, outputs: merged },
    { module: 'visual.merger.mlp.2', inputs: merged, outputs: outDim },
  ];
}

const hasBias = (module: string): boolean => /\.self_attn\.[qkv]_proj$/.test(module);

const linear = (module: string, outputs: number, inputs: number, bias = true): ParameterShape[] => [
  { name: `${module}.weight`, shape: [outputs, inputs] },
  ...(bias ? [{ name: `${module}.bias`, shape: [outputs] }] : []),
];

const norm = (module: string, size: number, bias: boolean): ParameterShape[] => [
  { name: `${module}.weight`, shape: [size] },
  ...(bias ? [{ name: `${module}.bias`, shape: [size] }] : []),
];

function textParameters(config: TextConfig): ParameterShape[] {
  const { hiddenSize: D, vocabSize } = config;
  const layers = Array.from({ length: config.layers }, (_, layer) => [
    ...norm(`model.layers.${layer}.input_layernorm`, D, false),
    ...norm(`model.layers.${layer}.post_attention_layernorm`, D, false),
  ]).flat();
  return [
    { name: 'model.embed_tokens.weight', shape: [vocabSize, D] },
    ...textLinears(config).flatMap((l) => linear(l.module, l.outputs, l.inputs, hasBias(l.module))),
    ...layers,
    ...norm('model.norm', D, false),
    ...(config.tied ? [] : [{ name: 'lm_head.weight', shape: [vocabSize, D] }]),
  ];
}

function visionParameters(config: VisionConfig): ParameterShape[] {
  const { dim } = config;
  const biased = config.kind === 'qwen2_vl';
  const blocks = visionLinears(config);
  const block = (name: string): ParameterShape[] => [
    ...norm(`${name}.norm1`, dim, biased),
    ...norm(`${name}.norm2`, dim, biased),
    ...blocks
      .filter(({ module }) => module.startsWith(`${name}.`))
      .flatMap((l) => linear(l.module, l.outputs, l.inputs)),
  ];
  return [
    // On disk [dim, channels, frames, height, width]: the kernel of a convolution whose stride is its size, so a matrix.
    { name: 'visual.patch_embed.proj.weight', shape: [dim, config.patchNumbers] },
    ...Array.from({ length: config.depth }, (_, i) => block(`visual.blocks.${i}`)).flat(),
    ...norm('visual.merger.ln_q', dim, biased),
    ...mergerLinears(config).flatMap((l) => linear(l.module, l.outputs, l.inputs)),
  ];
}

/** Every parameter of a model, text first. A checkpoint has these names and no others. */
export const modelParameters = (config: ModelConfig): ParameterShape[] => [
  ...textParameters(config.text),
  ...visionParameters(config.vision),
];

/** The model's weights as variables of the group `base`, by the names they have on disk. Vectors stay float32. */
export function baseVariables(
  t: Trace,
  config: ModelConfig,
  dtype: DType = 'float32',
): Record<string, Value> {
  return Object.fromEntries(
    modelParameters(config).map(({ name, shape }) => [
      name,
      t.variable(`base/${name}`, shape, shape.length === 1 ? 'float32' : dtype),
    ]),
  );
}
