import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import { liveNodes } from '../../../../activities/nn/ops/node.ts';
import type { Node, Value } from '../../../../activities/nn/ops/node.ts';
import { Trace } from '../../../../activities/nn/ops/trace.ts';
import { savedModel } from '../../../../activities/nn/runtime/graph-def.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import { UnknownOutputs } from '../../../../activities/nn/runtime/xla-function.ts';
import { expectAllClose } from '../../../_allclose.ts';

/** Several outputs of one operation, a variable that is read and written. */
const build = (t: Trace): { outputs: Record<string, Value> } => {
  const w = t.variable('w', [4]);
  const x = t.input('x', [4]);
  const [head = x, tail = x] = t.split(t.mul(w, x), [1, 3], 0);
  const loss = t.add(t.sum(t.square(tail), [0]), t.sum(t.exp(head), [0]));
  const [g] = gradient(t, loss, [w]) as [Value];
  const write = t.assign(w, t.sub(w, t.scale(g, 0.1)));
  return { outputs: { loss: t.after([write], loss) } };
};

/** Every operation of the vocabulary that gives a value, on four numbers, by name. */
const vocabulary = (t: Trace): { outputs: Record<string, Value> } => {
  const [x, key] = [t.input('x', [4]), t.input('key', [2], 'int32')];
  const positive = t.add(t.square(x), t.scalar(1));
  const [square, table] = [t.reshape(x, [2, 2]), t.reshape(positive, [2, 2])];
  const places = t.ints([1, 0]);
  const truths = {
    Less: t.less(x, positive),
    LessEqual: t.lessEqual(x, positive),
    Greater: t.compare('Greater', x, positive),
    GreaterEqual: t.compare('GreaterEqual', x, positive),
    Equal: t.equal(x, x),
    NotEqual: t.compare('NotEqual', x, positive),
    LogicalAnd: t.and(t.less(x, positive), t.equal(x, x)),
    LogicalOr: t.or(t.less(x, positive), t.equal(x, x)),
  };
  const numbers = {
    RealDiv: t.div(x, positive),
    Minimum: t.minimum(x, positive),
    Maximum: t.maximum(x, positive),
    Neg: t.neg(x),
    Sqrt: t.sqrt(positive),
    Rsqrt: t.rsqrt(positive),
    Exp: t.exp(x),
    Log: t.log(positive),
    Sigmoid: t.sigmoid(x),
    SigmoidGrad: t.sigmoidGradient(t.sigmoid(x), x),
    Cos: t.cos(x),
    Sin: t.sin(x),
    Tanh: t.tanh(x),
    Erf: t.erf(x),
    StopGradient: t.stopGradient(x),
    SelectV2: t.where(t.less(x, positive), x, positive),
    MatMul: t.matmul(square, table),
    BiasAdd: t.biasAdd(square, t.floats([1, 2])),
    BatchMatMulV2: t.batchMatmul(t.reshape(x, [1, 2, 2]), t.reshape(x, [1, 2, 2])),
    Mean: t.mean(x, [0]),
    Max: t.max(x, [0]),
    ArgMax: t.cast(t.argmax(square), 'float32'),
    Cumsum: t.cumsum(x, 0),
    Softmax: t.softmax(square),
    LogSoftmax: t.logSoftmax(square),
    crossEntropy: t.crossEntropy(square, places),
    ReverseV2: t.reverse(x, 0),
    Transpose: t.transpose(t.mul(square, table), [1, 0]),
    ConcatV2: t.concat([x, positive], 0),
    SplitV: t.split(x, [1, 3], 0)[1]!,
    Unpack: t.unstack(t.reshape(x, [2, 2]))[1]!,
    BatchToSpaceND: t.interleave(t.reshape(x, [2, 2, 1])),
    Slice: t.slice(x, [1], [2]),
    Pad: t.pad(x, [[1, 2]]),
    BroadcastTo: t.broadcastTo(x, [3, 4]),
    Fill: t.full([2], 3),
    GatherV2: t.gather(square, places),
    UnsortedSegmentSum: t.scatterAdd(square, places, 3),
    TensorScatterSub: t.scatterSub(square, t.ints([0, 1, 1, 1], [2, 2]), t.floats([1, 2])),
    StatelessRandomUniformV2: t.uniform(key, 3, [6]),
    Bitcast: t.cast(t.bitcastToBfloat16(t.ints([0x40003f80])), 'float32'),
    Sub: t.sub(x, positive),
    Sum: t.sum(x, [0]),
  };
  const cast = Object.entries(truths).map(([name, truth]) => [name, t.cast(truth, 'float32')] as const);
  return { outputs: { ...numbers, ...Object.fromEntries(cast) } };
};

const x = Float32Array.of(0.5, -1, 2, 0.25);

/** The emitted model as text: names of operations and attributes stand in it as they are. */
const emitted = (compiled: boolean, change: (node: Node) => Node = (node) => node): string => {
  const t = new Trace();
  const { outputs } = build(t);
  const nodes = liveNodes(t.nodes, Object.values(outputs)).map(change);
  const entry = { name: 'step', inputs: Object.fromEntries(t.inputs), outputs, nodes, compiled };
  return Buffer.from(savedModel([entry])).toString('latin1');
};

describe('a program that XLA compiles', () => {
  const runs = async (execution: 'graph' | 'xla', compile = true) => {
    const program = new Program();
    program.entry('step', build, { compile });
    const session = await program.load({ execution });
    session.set('w', Float32Array.of(1, 2, 3, 4));
    const outputs = [session.run('step', { x }), session.run('step', { x })];
    const w = session.get('w');
    session.dispose();
    return { outputs, w };
  };

  it('reads and writes the variables of its session as the traced one does', async () => {
    const [traced, compiled] = [await runs('graph'), await runs('xla')];
    expectAllClose(compiled.w, traced.w, { rtol: 1e-6, atol: 0 });
    for (const [i, outputs] of compiled.outputs.entries()) {
      expectAllClose(outputs['loss']!, traced.outputs[i]!['loss']!, { rtol: 1e-6, atol: 0 });
    }
  });

  it('leaves an entry point as traced that asks for it', async () => {
    expect(await runs('xla', false)).toEqual(await runs('graph'));
  });

  it('compiles every operation of the vocabulary, to what the traced one gives', async () => {
    const results = async (execution: 'graph' | 'xla') => {
      const program = new Program();
      program.entry('all', vocabulary, { compile: true });
      const session = await program.load({ execution });
      const outputs = session.run('all', { x, key: Int32Array.of(7, 11) });
      session.dispose();
      return outputs;
    };
    // They speak of the memory that values lie in, which XLA arranges.
    const asTraced = new Set(['Empty', 'InplaceUpdate']);
    const t = new Trace();
    vocabulary(t);
    const recorded = new Set(t.nodes.map(({ op }) => op));
    const sources = ['elementwise', 'layout', 'trace'].map(
      (file) => `../../../../activities/nn/ops/${file}.ts`,
    );
    for (const source of sources) {
      const text = readFileSync(new URL(source, import.meta.url), 'utf8');
      for (const [, op = ''] of text.matchAll(/(?:one|unary|binary|compare|record|reduce)\(\s*'([A-Z]\w+)'/g))
        if (!asTraced.has(op)) expect(recorded).toContain(op);
    }
    const [traced, compiled] = [await results('graph'), await results('xla')];
    // XLA has its own way from key and counter to numbers.
    const { StatelessRandomUniformV2: drawn, ...same } = traced;
    expect(compiled['StatelessRandomUniformV2']).toHaveLength(drawn!.length);
    for (const u of compiled['StatelessRandomUniformV2']!) expect(u >= 0 && u < 1).toBe(true);
    for (const [name, numbers] of Object.entries(same))
      expectAllClose(compiled[name]!, numbers, { rtol: 1e-5, atol: 1e-6 });
  });

  it('is one call of a function that must be compiled, with the handles of variables as its arguments', () => {
    expect(emitted(false)).not.toContain('_XlaMustCompile');
    const text = emitted(true);
    expect(text.split('_XlaMustCompile')).toHaveLength(3); // on the function and on its call
    expect(text.split('StatefulPartitionedCall')).toHaveLength(2);
    expect(text.split('VarHandleOp')).toHaveLength(2);
  });

  it('refuses an operation whose outputs it cannot name', () => {
    const unknown = (node: Node): Node => Object.assign(node, node.op === 'Exp' ? { op: 'Expm1' } : {});
    expect(() => emitted(true, unknown)).toThrow(UnknownOutputs);
  });
});
