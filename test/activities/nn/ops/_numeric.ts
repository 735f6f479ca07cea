import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import type { Value } from '../../../../activities/nn/ops/node.ts';
import { sizeOf } from '../../../../activities/nn/ops/shape.ts';
import type { Shape } from '../../../../activities/nn/ops/shape.ts';
import type { Trace } from '../../../../activities/nn/ops/trace.ts';
import { normal, randomKey, uniform } from '../../../../activities/nn/random.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';

/** A function of float inputs whose gradient is checked. */
export interface Case {
  readonly name: string;
  readonly shapes: readonly Shape[];
  readonly f: (t: Trace, ...xs: Value[]) => Value;
  /** Where inputs are drawn from, when not from a normal distribution. */
  readonly range?: readonly [number, number];
}

/** The analytic gradient of a weighted sum of f and its central finite difference, for every element of every input. */
export async function gradients(
  cases: readonly Case[],
): Promise<{ analytic: Float32Array; numeric: Float32Array }[]> {
  const step = 2e-2;
  const program = new Program();
  for (const [index, { shapes, f }] of cases.entries()) {
    const build = (t: Trace): { y: Value; xs: Value[] } => {
      const xs = shapes.map((shape, i) => t.input(`x${i}`, shape));
      const out = f(t, ...xs);
      const weights = t.floats(normal(randomKey(7, 'weights'), sizeOf(out.shape)), out.shape);
      return {
        y: t.sum(
          t.mul(out, weights),
          out.shape.map((_, i) => i),
        ),
        xs,
      };
    };
    program.entry(`value/${index}`, (t) => ({ outputs: { y: build(t).y } }));
    program.entry(`gradient/${index}`, (t) => {
      const { y, xs } = build(t);
      return { outputs: Object.fromEntries(gradient(t, y, xs).map((g, i) => [`g${i}`, g])) };
    });
  }
  const session = await program.load();
  const results = cases.map(({ shapes, range }, index) => {
    const feeds = Object.fromEntries(
      shapes.map((shape, i) => {
        const key = randomKey(1, 'input', i);
        const [low, high] = range ?? [0, 0];
        const drawn = uniform(key, sizeOf(shape)).map((u) => low + u * (high - low));
        return [`x${i}`, range === undefined ? normal(key, sizeOf(shape)) : drawn];
      }),
    );
    const at = (): number => session.run(`value/${index}`, feeds)['y']?.[0] ?? Number.NaN;
    const numeric = Object.values(feeds).flatMap((x) =>
      Array.from(x, (value, i) => {
        // Fourth-order central difference.
        const sample = (offset: number): number => {
          x[i] = value + offset * step;
          return at();
        };
        const slope = (8 * (sample(1) - sample(-1)) - (sample(2) - sample(-2))) / (12 * step);
        x[i] = value;
        return slope;
      }),
    );
    const found = session.run(`gradient/${index}`, feeds);
    const analytic = shapes.flatMap((_, i) => [...(found[`g${i}`] ?? [])]);
    return { analytic: Float32Array.from(analytic), numeric: Float32Array.from(numeric) };
  });
  session.dispose();
  return results;
}
