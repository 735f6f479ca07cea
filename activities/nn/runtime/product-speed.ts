import { linear } from '../linear.ts';
import { Program } from './program.ts';

/** Speeds in GFLOP/s of products with weights, for one number of rows. */
export interface ProductSpeed {
  readonly rows: number;
  readonly float32: number;
  readonly bfloat16: number;
}

const DTYPES = ['float32', 'bfloat16'] as const;

/** Width and inner width of a feed-forward layer of a small model. */
const [D, F] = [768, 3072];

/** Rows of a training step and of a rollout's step. */
const ROWS = [512, 64];

const RUNS = 12;

const entryOf = (rows: number, dtype: string): string => `${rows}/${dtype}`;

/**
 * Times two products of a feed-forward layer, x [rows, D] by W [F, D] and back, with weights in float32 and in bfloat16,
 * conversions of the activations included. The fastest of several runs counts, the two kinds in turn: what else the machine
 * does only slows a run down.
 */
export async function measureProducts(): Promise<ProductSpeed[]> {
  const program = new Program();
  for (const rows of ROWS)
    for (const dtype of DTYPES)
      program.entry(entryOf(rows, dtype), (t) => {
        const base = {
          'up.weight': t.variable(`${dtype}/up`, [F, D], dtype),
          'down.weight': t.variable(`${dtype}/down`, [D, F], dtype),
        };
        const y = linear(t, { base }, 'down', linear(t, { base }, 'up', t.variable(`x/${rows}`, [rows, D])));
        return { outputs: { corner: t.slice(y, [0, 0], [1, 1]) } };
      });
  const session = await program.load();
  try {
    for (const { name, shape } of session.variables)
      session.set(
        name,
        Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i)),
      );
    const secondsOf = (entry: string): number => {
      const start = performance.now();
      session.run(entry);
      return (performance.now() - start) / 1000;
    };
    return ROWS.map((rows) => {
      const best = { float32: Infinity, bfloat16: Infinity };
      for (let run = 0; run < RUNS; run++)
        for (const dtype of DTYPES) best[dtype] = Math.min(best[dtype], secondsOf(entryOf(rows, dtype)));
      const gflop = (2 * 2 * rows * D * F) / 1e9;
      return { rows, float32: gflop / best.float32, bfloat16: gflop / best.bfloat16 };
    });
  } finally {
    session.dispose();
  }
}
