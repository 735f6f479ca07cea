/**
 * Lanes of a step that computes one new token a row: each has a part of the heads and of the inner numbers, and the weights that make
 * them. What follows, o_proj and down_proj, each lane computes from its own part, and the sums are exchanged; or, where weights are
 * read as they are stored, it computes a part of the outputs of the whole.
 */
import { fusedName, fusedTiles, linear, reductionName, tilesName } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import type { TextConfig } from '../models/config.ts';
import type { Value } from '../ops/node.ts';
import { dim } from '../ops/shape.ts';
import type { Trace } from '../ops/trace.ts';
import { rowsOf, tileWidth } from '../tiles.ts';

export interface HeadLanes {
  readonly count: number;
  /** The model as one lane sees it: its heads, its part of the inner numbers. */
  readonly config: TextConfig;
}

/** One lane where heads or outputs cannot be parted. */
export function headLanes(config: TextConfig, lanes: number): HeadLanes {
  const { heads, kvHeads, hiddenSize, intermediateSize, vocabSize } = config;
  const parted = [kvHeads, hiddenSize, intermediateSize, vocabSize];
  const count = parted.every((n) => n % lanes === 0) ? lanes : 1;
  const own = {
    heads: heads / count,
    kvHeads: kvHeads / count,
    intermediateSize: intermediateSize / count,
  };
  return { count, config: { ...config, ...own } };
}

/** The lanes themselves, to be mapped. */
export const lanesOf = ({ count }: HeadLanes): number[] => Array.from({ length: count }, (_, lane) => lane);

/** Outputs of modules [N, ...] one after another, as lanes have them: of each lane its part of every module. */
export function laneMajor(t: Trace, outputs: readonly Value[], count: number): Value {
  const [only] = outputs;
  if (only !== undefined && outputs.length === 1) return only;
  const parts = outputs.map((x) => t.split(x, Array<number>(count).fill(dim(x.shape, 0) / count), 0));
  return t.concat(Array.from({ length: count }, (_, lane) => parts.map((part) => part[lane]!)).flat(), 0);
}

/** What a lane computes its part of the outputs of modules with. */
export function outputLane(
  t: Trace,
  params: Parameters,
  modules: readonly string[],
  lane: number,
  { count }: HeadLanes,
): Parameters {
  if (count === 1) return params;
  const cut = (x: Value): Value => rowsOfLane(t, x, lane, count);
  const names = [...modules, fusedName(modules)];
  const parted = names.flatMap((module) => [`${module}.weight`, `${module}.bias`, tilesName(module)]);
  const base = Object.fromEntries([
    ...parted.flatMap((key) => (params.base[key] === undefined ? [] : [[key, cut(params.base[key])]])),
    ...names.map(reductionName).flatMap((key) => (params.base[key] ? [[key, params.base[key]]] : [])),
  ]) as Record<string, Value>;
  const lora = Object.fromEntries(
    modules.flatMap((module) => {
      const pair = params.lora?.[module];
      return pair === undefined ? [] : [[module, { ...pair, b: cut(pair.b) }]];
    }),
  );
  return { base, lora };
}

/** `linear`, its outputs computed in lanes: x [R, K] → [R, N]. */
export const linearInLanes = (
  t: Trace,
  params: Parameters,
  module: string,
  x: Value,
  lanes: HeadLanes,
): Value =>
  t.concat(
    lanesOf(lanes).map((lane) => linear(t, outputLane(t, params, [module], lane, lanes), module, x)),
    1,
  );

/** `linear` of what each lane has of its input, where tiles lie so: x [R, K / lanes] each → [R, N]. */
export function linearOfLanes(
  t: Trace,
  params: Parameters,
  module: string,
  parts: readonly Value[],
  lanes: HeadLanes,
): Value {
  const tiles = params.base[tilesName(module)];
  if (tiles === undefined) return linearInLanes(t, params, module, t.concat(parts, 1), lanes);
  const reduction = params.base[reductionName(module)];
  const sums = parts.flatMap((x, lane) => {
    const cut = (y: Value): Value => rowsOfLane(t, y, lane, lanes.count);
    const base = {
      [tilesName(module)]: cut(tiles),
      ...(reduction === undefined ? {} : { [reductionName(module)]: cut(reduction) }),
    };
    const outputs = (dim(tiles.shape, 0) / lanes.count) * tileWidth;
    return fusedTiles(t, { base }, [module], x, [outputs]) ?? [];
  });
  return rowsOf(t, t.addAll(sums));
}

/** A lane's rows of what lies one lane after another. */
function rowsOfLane(t: Trace, x: Value, lane: number, count: number): Value {
  const [n = 0, ...rest] = x.shape;
  return t.slice(x, [(lane * n) / count, ...rest.map(() => 0)], [n / count, ...rest]);
}
