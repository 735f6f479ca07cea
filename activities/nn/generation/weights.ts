import { fusedName, reductionName, tilesName, weight } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import type { ModelConfig } from '../models/config.ts';
import { headModule } from '../models/text.ts';
import type { Node, Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Shape } from '../ops/shape.ts';
import { Trace } from '../ops/trace.ts';
import type { Program } from '../runtime/program.ts';
import { hasTiles, tiled, tileWidth } from '../tiles.ts';
import { asTraced } from './entries.ts';
import { headLanes, laneMajor } from './head-lanes.ts';

/**
 * Weights as new tokens are decoded with. In float32 they are a copy in which modules with one input lie in one matrix, and
 * matrices in tiles: a step of a few rows is bound by the reading of weights and by the number of operations, so both pay. The
 * adapter's B lies under the tiles, as weights of what A makes of the input: to take an adapter anew writes a few rows, not every
 * weight. Weights in bfloat16 are read as they are, with the adapter beside them.
 *
 * In a matrix of several modules each lane's part of all of them comes first, as `laneMajor` lays them.
 */
export interface DecodingWeights {
  /** Copies weights and adapter; run once they are there and when weights have changed. Undefined where nothing is copied. */
  readonly prepareEntry: string | undefined;
  /** Takes the adapter as it stands; run when it alone has changed. */
  readonly adaptEntry: string | undefined;
  readonly read: (t: Trace) => Parameters;
}

/** The modules of one block that read the same input. */
const fusions = [
  ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  ['self_attn.o_proj'],
  ['mlp.gate_proj', 'mlp.up_proj'],
  ['mlp.down_proj'],
];

/** Adds the entry points that copy. `source` gives the weights and, where there is one, the adapter. */
export function addDecodingWeights(
  program: Program,
  name: string,
  config: ModelConfig,
  source: (t: Trace) => Parameters,
): DecodingWeights {
  const head = headModule(config);
  const given = source(new Trace());
  if (weight(given, `${head}.weight`).dtype === 'bfloat16')
    return { prepareEntry: undefined, adaptEntry: undefined, read: source };
  const { count } = headLanes(config.text, program.lanes);
  const inTiles = ({ shape: [N = 0] }: Value): boolean => hasTiles([N / count]);
  const layers = Array.from({ length: config.text.layers }, (_, layer) => `model.layers.${layer}.`);
  const groups = layers.flatMap((layer) =>
    fusions.map((modules) => modules.map((module) => `${layer}${module}`)),
  );
  const copies = new Map<string, Shape>();
  const entry = (kind: string, writesOf: (t: Trace, joined: Joined) => readonly Node[]): string => {
    program.entry(
      `${name}/${kind}`,
      (t) => {
        const params = source(t);
        const writes = [...groups, [head]].flatMap((modules) => writesOf(t, join(t, params, modules, count)));
        return { outputs: { done: t.after(writes, t.scalar(1, 'int32')) } };
      },
      asTraced,
    );
    return `${name}/${kind}`;
  };
  const held = (t: Trace, key: string, shape: Shape): Value => t.scratch(`${name}/${key}`, shape);
  const overwrite = (t: Trace, key: string, value: Value): Node => {
    copies.set(key, value.shape);
    return t.overwrite(held(t, key, value.shape), value);
  };

  const prepareEntry = entry('prepare', (t, { module, W, bias, lora }) => {
    const biases = bias === undefined ? [] : [overwrite(t, `${module}.bias`, bias)];
    if (!inTiles(W)) return [...biases, overwrite(t, `${module}.weight`, merged(t, W, lora))];
    if (lora === undefined) return [...biases, overwrite(t, tilesName(module), tiled(t, W))];
    const tiles = t.concat([tiled(t, W), tiled(t, lora.b)], 1); // [N/32, K + R, 32]
    return [...biases, overwrite(t, tilesName(module), tiles), overwrite(t, reductionName(module), lora.a)];
  });
  if (given.lora === undefined) return { prepareEntry, adaptEntry: undefined, read };
  const adaptEntry = entry('adapt', (t, { module, W, lora }) => {
    if (lora === undefined) return [];
    if (!inTiles(W)) return [overwrite(t, `${module}.weight`, merged(t, W, lora))];
    const B = tiled(t, lora.b); // [N/32, R, 32]
    const [T = 0, R = 0] = B.shape;
    const [K, rows] = [dim(W.shape, 1), dim(W.shape, 1) + R];
    const tile = t.ints(
      Array.from({ length: T }, (_, i) => i * rows + K),
      [T, 1],
    );
    const places = t.add(tile, t.ints(Array.from({ length: R }, (_, j) => j)));
    const tiles = held(t, tilesName(module), [T, rows, tileWidth]);
    const written = t.overwriteRows(tiles, t.reshape(places, [-1]), t.reshape(B, [-1, tileWidth]));
    return [overwrite(t, reductionName(module), lora.a), written.node];
  });
  return { prepareEntry, adaptEntry, read };

  function read(t: Trace): Parameters {
    const copied = Array.from(copies, ([key, shape]) => [key, held(t, key, shape)] as const);
    return { base: { ...source(t).base, ...Object.fromEntries(copied) } };
  }
}

/** Modules with one input as one. */
interface Joined {
  readonly module: string;
  /** [N, K] */
  readonly W: Value;
  /** [N] */
  readonly bias: Value | undefined;
  /** A [R, K] with the scale in it, and B [N, R], a block for each module that has an adapter. */
  readonly lora: { readonly a: Value; readonly b: Value } | undefined;
}

function join(t: Trace, params: Parameters, modules: readonly string[], lanes: number): Joined {
  const weights = modules.map((module) => weight(params, `${module}.weight`));
  const biases = modules.flatMap((module) => params.base[`${module}.bias`] ?? []);
  const pairs = modules.map((module) => params.lora?.[module]);
  const ranks = pairs.map((pair) => (pair === undefined ? 0 : dim(pair.a.shape, 0)));
  const R = ranks.reduce((sum, rank) => sum + rank, 0);
  let from = 0;
  const blocks = pairs.map((pair, i) => {
    if (pair === undefined) return t.full([dim(weights[i]!.shape, 0), R], 0);
    const before = from;
    from += ranks[i]!;
    return t.pad(pair.b, [
      [0, 0],
      [before, R - from],
    ]);
  });
  return {
    module: fusedName(modules),
    W: laneMajor(t, weights, lanes),
    bias: biases.length === 0 ? undefined : laneMajor(t, biases, lanes),
    lora:
      R === 0
        ? undefined
        : {
            a: t.concat(
              pairs.flatMap((pair) => (pair === undefined ? [] : [t.scale(pair.a, pair.scale)])),
              0,
            ),
            b: laneMajor(t, blocks, lanes),
          },
  };
}

const merged = (t: Trace, W: Value, lora: Joined['lora']): Value =>
  lora === undefined ? W : t.add(W, t.matmul(lora.b, lora.a));
