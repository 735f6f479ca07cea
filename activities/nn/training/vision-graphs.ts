/**
 * Few graphs of the vision tower for the images of a job. Images of as many grids as there may be graphs get exact ones;
 * beyond that, images of similar size share a graph with room for the largest of them.
 */
import type { ImagePatches } from '../images/patches.ts';
import type { Parameters } from '../linear.ts';
import type { ModelConfig, VisionConfig } from '../models/config.ts';
import { forwardPaddedVision, paddedFeeds, roomOf } from '../models/padded-vision.ts';
import type { VisionRoom } from '../models/padded-vision.ts';
import { embeddingsOf } from '../models/position-ids.ts';
import type { Grid } from '../models/position-ids.ts';
import { forwardVision } from '../models/vision.ts';
import type { HostArray } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import type { Trace } from '../ops/trace.ts';

/** A graph for one grid, or for every grid that fits a room. */
export interface VisionGraph {
  /** A TensorFlow name. */
  readonly name: string;
  readonly room: VisionRoom;
  readonly grid?: Grid;
}

/** An image's grid was not among those that the graphs were planned for. */
export class NoVisionGraph extends Error {
  override readonly name = 'NoVisionGraph';
}

/** Graphs of a job at most; each takes a second to build and first run. */
const GRAPHS = 6;

/** Share of the arithmetic spent on padding that no further graph is worth. */
const TOLERATED_WASTE = 0.1;

const gridName = ({ t, h, w }: Grid): string => `${t}x${h}x${w}`;

const exactGraph = (vision: VisionConfig, grid: Grid): VisionGraph => ({
  name: gridName(grid),
  room: roomOf(vision, grid),
  grid,
});

/** Arithmetic of a room, in that of one patch's products. */
const costIn = (vision: VisionConfig): ((room: VisionRoom) => number) => {
  const { dim, mlpDim, depth } = vision;
  const feedForward = vision.kind === 'qwen2_vl' ? 2 : 3;
  const patch = depth * (4 * dim ** 2 + feedForward * dim * mlpDim);
  const whole = vision.kind === 'qwen2_vl' ? depth : vision.fullAttentionBlocks.length;
  const window = vision.kind === 'qwen2_vl' ? 0 : (vision.windowSize / vision.patchSize) ** 4;
  return ({ patches, windows }) =>
    patches + (2 * dim * (whole * patches ** 2 + (depth - whole) * windows * window)) / patch;
};

interface Point {
  readonly grid: Grid;
  readonly room: VisionRoom;
  /** Images of this grid. */
  count: number;
}

interface Plan {
  readonly cost: number;
  /** Runs of points that share a graph. */
  readonly groups: readonly (readonly Point[])[];
}

const roomFor = (points: readonly Point[]): VisionRoom => ({
  patches: Math.max(...points.map(({ room }) => room.patches)),
  windows: Math.max(...points.map(({ room }) => room.windows)),
});

/**
 * Plans the graphs for images of these grids, one entry an image: one for each distinct grid where these are few, else the
 * fewest that waste at most a tenth of the arithmetic, or `most` of the least total cost.
 */
export function planVisionGraphs(vision: VisionConfig, grids: Iterable<Grid>, most = GRAPHS): VisionGraph[] {
  const distinct = new Map<string, Point>();
  for (const grid of grids) {
    const name = gridName(grid);
    const point = distinct.get(name) ?? { grid, room: roomOf(vision, grid), count: 0 };
    point.count++;
    distinct.set(name, point);
  }
  if (distinct.size <= most) return [...distinct.values()].map(({ grid }) => exactGraph(vision, grid));
  const points = [...distinct.values()].sort(
    (a, b) => a.room.patches - b.room.patches || a.room.windows - b.room.windows,
  );
  const costOf = costIn(vision);
  const exact = points.reduce((sum, { room, count }) => sum + count * costOf(room), 0);
  let groups: Plan['groups'] = [];
  let plans = firstPlans(points.length);
  for (let count = 1; count <= most; count++) {
    plans = withOneMore(plans, points, costOf);
    const plan = plans.at(-1);
    if (plan === undefined) continue;
    groups = plan.groups;
    if (1 - exact / plan.cost <= TOLERATED_WASTE) break;
  }
  const graphs = groups.map((group): VisionGraph => {
    const [first] = group;
    if (group.length === 1 && first !== undefined) return exactGraph(vision, first.grid);
    const room = roomFor(group);
    return { name: `room/${room.patches}.${room.windows}`, room };
  });
  return [...new Map(graphs.map((graph) => [graph.name, graph])).values()];
}

/** The best plans with no graph: for no points at all. */
const firstPlans = (points: number): (Plan | undefined)[] =>
  Array.from({ length: points + 1 }, (_, n) => (n === 0 ? { cost: 0, groups: [] } : undefined));

/** From the best plans for the first n points, those with one group more. */
function withOneMore(
  plans: readonly (Plan | undefined)[],
  points: readonly Point[],
  costOf: (room: VisionRoom) => number,
): (Plan | undefined)[] {
  const next: (Plan | undefined)[] = plans.map(() => undefined);
  for (let end = 1; end <= points.length; end++) {
    let best: { readonly cost: number; readonly from: number } | undefined;
    let [patches, windows, count] = [0, 0, 0];
    for (let from = end - 1; from >= 0; from--) {
      const { room, count: images } = points[from] as Point;
      patches = Math.max(patches, room.patches);
      windows = Math.max(windows, room.windows);
      count += images;
      const before = plans[from];
      if (before === undefined) continue;
      const cost = before.cost + count * costOf({ patches, windows });
      if (best === undefined || cost < best.cost) best = { cost, from };
    }
    if (best !== undefined)
      next[end] = {
        cost: best.cost,
        groups: [...(plans[best.from] as Plan).groups, points.slice(best.from, end)],
      };
  }
  return next;
}

/** The tower within an entry point: declares the inputs that `imageFeeds` fills, and gives the embeddings [room / m², outDim]. */
export function embedImage(
  t: Trace,
  params: Parameters,
  config: ModelConfig,
  { room, grid }: VisionGraph,
): Value {
  if (grid === undefined) return forwardPaddedVision(t, params, config, room);
  const pixels = t.input('pixels', [room.patches, config.vision.patchNumbers]);
  return forwardVision(t, params, config, { pixels, grids: [grid] });
}

/** The graph that takes an image, what it is fed, and how many of its embeddings are the image's. */
export function imageFeeds(
  vision: VisionConfig,
  graphs: readonly VisionGraph[],
  { pixelValues, grid }: ImagePatches,
): {
  readonly graph: VisionGraph;
  readonly feeds: Record<string, HostArray>;
  readonly embeddings: number;
} {
  const embeddings = embeddingsOf(grid, vision.mergeSize);
  const own = graphs.find((graph) => graph.grid !== undefined && gridName(graph.grid) === gridName(grid));
  if (own !== undefined) return { graph: own, feeds: { pixels: pixelValues }, embeddings };
  const { patches, windows } = roomOf(vision, grid);
  const graph = graphs.find(
    (one) => one.grid === undefined && one.room.patches >= patches && one.room.windows >= windows,
  );
  if (graph === undefined)
    throw new NoVisionGraph(`no graph of the vision tower takes an image of grid ${gridName(grid)}`);
  return { graph, feeds: paddedFeeds(vision, graph.room, grid, pixelValues), embeddings };
}
