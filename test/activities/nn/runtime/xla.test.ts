import { describe, expect, it } from 'vitest';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import { liveNodes } from '../../../../activities/nn/ops/node.ts';
import type { Node, Value } from '../../../../activities/nn/ops/node.ts';
import { Trace } from '../../../../activities/nn/ops/trace.ts';
import { savedModel } from '../../../../activities/nn/runtime/graph-def.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import { UnknownOutputs } from '../../../../activities/nn/runtime/xla-function.ts';
import { expectAllClose } from '../../../_allclose.ts';

/** Several outputs of one operation, a variable that is read, written and read again. */
const build = (t: Trace): { outputs: Record<string, Value> } => {
  const w = t.variable('w', [4]);
  const x = t.input('x', [4]);
  const [head = x, tail = x] = t.split(t.mul(w, x), [1, 3], 0);
  const loss = t.add(t.sum(t.square(tail), [0]), t.sum(t.exp(head), [0]));
  const [g] = gradient(t, loss, [w]) as [Value];
  const write = t.assign(w, t.sub(w, t.scale(g, 0.1)));
  return { outputs: { loss: t.after([write], loss), next: t.readAfter([write], w) } };
};

const x = Float32Array.of(0.5, -1, 2, 0.25);

/** The emitted model as text: names of operations and attributes stand in it as they are. */
const emitted = (compiled: boolean, change: (node: Node) => Node = (node) => node): string => {
  const t = new Trace();
  const { outputs } = build(t);
  const nodes = liveNodes(t.nodes, Object.values(outputs)).map(change);
  const entry = { name: 'step', inputs: Object.fromEntries(t.inputs), outputs, nodes, compiled };
  return Buffer.from(savedModel([entry], entry)).toString('latin1');
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
    expect(compiled.outputs[1]!['next']).toEqual(compiled.w);
    expectAllClose(compiled.w, traced.w, { rtol: 1e-6, atol: 0 });
    for (const [i, outputs] of compiled.outputs.entries()) {
      expectAllClose(outputs['loss']!, traced.outputs[i]!['loss']!, { rtol: 1e-6, atol: 0 });
    }
  });

  it('leaves an entry point as traced that asks for it', async () => {
    expect(await runs('xla', false)).toEqual(await runs('graph'));
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
