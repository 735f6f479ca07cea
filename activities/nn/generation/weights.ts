import { laneSizes } from '../lanes.ts';
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
 * In a matrix of several modules each lane's outputs of all of them lie together, as `laneMajor` lays them. Where lanes have parts of
 * the input, tiles of one lane's part come behind those of the other's, with the adapter's B under both.
 */
export interface DecodingWeights {
  /** Copies weights and adapter; run once they are there and when weights have changed. Undefined where nothing is copied. */
  readonly prepareEntry: string | undefined;
  /** Takes the adapter as it stands; run when it alone has changed. */
  readonly adaptEntry: string | undefined;
  readonly read: (t: Trace) => Parameters;
}

/** Modules that read the same input, and whether lanes part their outputs or that input. */
interface Group {
  readonly modules: readonly string[];
  readonly parted: 'outputs' | 'inputs';
}

const blockGroups: readonly Group[] = [
  { modules: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'], parted: 'outputs' },
  { modules: ['self_attn.o_proj'], parted: 'inputs' },
  { modules: ['mlp.gate_proj', 'mlp.up_proj'], parted: 'outputs' },
  { modules: ['mlp.down_proj'], parted: 'inputs' },
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
  const layers = Array.from({ length: config.text.layers }, (_, layer) => `model.layers.${layer}.`);
  const groups: readonly Group[] = [
    ...layers.flatMap((layer) =>
      blockGroups.map((group) => ({ ...group, modules: group.modules.map((module) => `${layer}${module}`) })),
    ),
    { modules: [head], parted: 'outputs' },
  ];
  const copies = new Map<string, Shape>();
  const entry = (kind: string, writesOf: (t: Trace, joined: Joined) => readonly Node[]): string => {
    program.entry(
      `${name}/${kind}`,
      (t) => {
        const params = source(t);
        const writes = groups.flatMap((group) => writesOf(t, join(t, params, group, count)));
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

  const prepareEntry = entry('prepare', (t, { module, whole, parts, bias }) => {
    const biases = bias === undefined ? [] : [overwrite(t, `${module}.bias`, bias)];
    if (parts === undefined) return [...biases, overwrite(t, `${module}.weight`, merged(t, whole))];
    const tiles = parts.map(({ W, lora }) =>
      lora === undefined ? tiled(t, W) : t.concat([tiled(t, W), tiled(t, lora.b)], 1),
    ); // [n/32, K + R, 32]
    const reductions = parts.flatMap(({ lora }) => lora?.a ?? []);
    return [
      ...biases,
      overwrite(t, tilesName(module), t.concat(tiles, 0)),
      ...(reductions.length === 0 ? [] : [overwrite(t, reductionName(module), t.concat(reductions, 0))]),
    ];
  });
  if (given.lora === undefined) return { prepareEntry, adaptEntry: undefined, read };
  const adaptEntry = entry('adapt', (t, { module, whole, parts }) => {
    if (whole.lora === undefined) return [];
    if (parts === undefined) return [overwrite(t, `${module}.weight`, merged(t, whole))];
    const adapters = parts.flatMap(({ lora }) => lora ?? []);
    const B = t.concat(
      adapters.map(({ b }) => tiled(t, b)),
      0,
    ); // [T, R, 32]
    const [T = 0, R = 0] = B.shape;
    const K = dim(parts[0]!.W.shape, 1);
    const tile = t.ints(
      Array.from({ length: T }, (_, i) => i * (K + R) + K),
      [T, 1],
    );
    const places = t.add(tile, t.ints(Array.from({ length: R }, (_, j) => j)));
    const tiles = held(t, tilesName(module), [T, K + R, tileWidth]);
    const written = t.overwriteRows(tiles, t.reshape(places, [-1]), t.reshape(B, [-1, tileWidth]));
    const reduction = t.concat(
      adapters.map(({ a }) => a),
      0,
    );
    return [overwrite(t, reductionName(module), reduction), written.node];
  });
  return { prepareEntry, adaptEntry, read };

  function read(t: Trace): Parameters {
    const copied = Array.from(copies, ([key, shape]) => [key, held(t, key, shape)] as const);
    return { base: { ...source(t).base, ...Object.fromEntries(copied) } };
  }
}

/** A matrix W [N, K], and what an adapter adds to it: A [R, K] with the scale in it, and B [N, R]. */
interface Adapted {
  readonly W: Value;
  readonly lora: { readonly a: Value; readonly b: Value } | undefined;
}

/** Modules with one input as one. */
interface Joined {
  readonly module: string;
  /** All of them; B has a block for each module that has an adapter. */
  readonly whole: Adapted;
  /** What lies in tiles, one after another: the whole, or each lane's part of the inputs. Undefined where it makes no tiles. */
  readonly parts: readonly Adapted[] | undefined;
  /** [N] */
  readonly bias: Value | undefined;
}

function join(t: Trace, params: Parameters, { modules, parted }: Group, lanes: number): Joined {
  const weights = modules.map((module) => weight(params, `${module}.weight`));
  const biases = modules.flatMap((module) => params.base[`${module}.bias`] ?? []);
  const bias = biases.length === 0 ? undefined : laneMajor(t, biases, lanes);
  const whole = { W: laneMajor(t, weights, lanes), lora: joinedAdapter(t, params, modules, weights, lanes) };
  const module = fusedName(modules);
  if (parted === 'outputs') {
    const isTiled = hasTiles([dim(whole.W.shape, 0) / lanes]);
    return { module, whole, bias, parts: isTiled ? [whole] : undefined };
  }
  const [W = whole.W] = weights;
  if (!hasTiles(W.shape)) return { module, whole, bias, parts: undefined };
  const cut = (x: Value): readonly Value[] => t.split(x, laneSizes(dim(x.shape, 1), lanes), 1);
  const [parts, reductions] = [cut(W), whole.lora && cut(whole.lora.a)];
  const lora = (lane: number): Adapted['lora'] => whole.lora && { a: reductions![lane]!, b: whole.lora.b };
  return { module, whole, bias, parts: parts.map((part, lane) => ({ W: part, lora: lora(lane) })) };
}

function joinedAdapter(
  t: Trace,
  params: Parameters,
  modules: readonly string[],
  weights: readonly Value[],
  lanes: number,
): Adapted['lora'] {
  const pairs = modules.map((module) => params.lora?.[module]);
  const ranks = pairs.map((pair) => (pair === undefined ? 0 : dim(pair.a.shape, 0)));
  const R = ranks.reduce((sum, rank) => sum + rank, 0);
  if (R === 0) return undefined;
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
  const reductions = pairs.flatMap((pair) => (pair === undefined ? [] : [t.scale(pair.a, pair.scale)]));
  return { a: t.concat(reductions, 0), b: laneMajor(t, blocks, lanes) };
}

const merged = (t: Trace, { W, lora }: Adapted): Value =>
  lora === undefined ? W : t.add(W, t.matmul(lora.b, lora.a));
