/** Linear layers of new tokens, whose weights are parted among lanes. */
import { fusedName, linear, productInTiles, reductionName, tilesName } from '../linear.ts';
import type { Parameters } from '../linear.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';
import { rowsOf } from '../tiles.ts';
import { lanesOf } from './head-lanes.ts';
import type { HeadLanes } from './head-lanes.ts';

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
  const sums = parts.map((x, lane) => {
    const cut = (y: Value): Value => rowsOfLane(t, y, lane, lanes.count);
    const base = {
      [tilesName(module)]: cut(tiles),
      ...(reduction === undefined ? {} : { [reductionName(module)]: cut(reduction) }),
    };
    return productInTiles(t, { base }, module, x);
  });
  return rowsOf(t, t.addAll(sums));
}

/** A lane's rows of what lies one lane after another. */
function rowsOfLane(t: Trace, x: Value, lane: number, count: number): Value {
  const [n = 0, ...rest] = x.shape;
  return t.slice(x, [(lane * n) / count, ...rest.map(() => 0)], [n / count, ...rest]);
}
