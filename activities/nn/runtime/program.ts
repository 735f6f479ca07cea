import type { Footprint } from '../memory.ts';
import { byteSize, peakBytes } from '../ops/live-set.ts';
import { liveNodes } from '../ops/node.ts';
import type { Value } from '../ops/node.ts';
import { sameShape, ShapeError, show } from '../ops/shape.ts';
import { Trace } from '../ops/trace.ts';
import type { EntryPoint } from './graph-def.ts';
import { installedLanes } from './installed-library.ts';
import { Session } from './session.ts';
import type { TensorFlowOptions } from './tensorflow.ts';
import { chunkBytes, chunksOf, reachedAlone, receive, send } from './variable.ts';
import type { Variable } from './variable.ts';

export interface Entry {
  readonly outputs: Readonly<Record<string, Value>>;
}

export interface EntryOptions {
  /** Whether it is compiled where a program is loaded for XLA; by default it is. */
  readonly compile?: boolean;
}

export interface LoadOptions extends TensorFlowOptions {
  /** graph: nodes are run as traced; xla: each entry point is compiled when it first runs, which takes seconds. */
  readonly execution?: 'graph' | 'xla';
}

/**
 * Several entry points that share variables by name and become one TensorFlow graph: training steps, rollouts, exports,
 * one of each a length bucket. Everything is declared before `load`; a session's graph does not grow.
 */
export class Program {
  readonly #entries: (Omit<EntryPoint, 'compiled'> & Required<EntryOptions>)[] = [];
  readonly #variables = new Map<string, Variable>();
  readonly #scratches = new Set<string>();

  /** Lanes that models cut their work into: those of the processor or GPU that TensorFlow computes on. */
  readonly lanes: number;

  constructor(lanes = installedLanes()) {
    this.lanes = lanes;
  }

  /** Records an entry point. Its inputs are those the function declares on the trace. */
  entry(name: string, build: (t: Trace) => Entry, { compile = true }: EntryOptions = {}): void {
    if (!/^[A-Za-z0-9][A-Za-z0-9_./-]*$/.test(name))
      throw new TypeError(`entry point "${name}" is not a TensorFlow name`);
    if (this.#entries.some((entry) => entry.name === name))
      throw new TypeError(`entry point "${name}" is recorded twice`);
    const t = new Trace(this.lanes);
    const { outputs } = build(t);
    for (const [key, { dtype }] of Object.entries(outputs))
      if (dtype === 'bfloat16' || dtype === 'resource')
        throw new TypeError(`${name}: output "${key}" is ${dtype}, which does not cross the boundary`);
    for (const [variable, value] of t.variables) this.#declare(name, variable, value);
    for (const scratch of t.scratches) this.#scratches.add(scratch);
    const roots = [...Object.values(outputs), ...t.inputs.values()];
    this.#entries.push({
      name,
      inputs: Object.fromEntries(t.inputs),
      outputs,
      nodes: liveNodes(t.nodes, roots),
      compile,
    });
  }

  /** What a session can set and get. */
  get variables(): readonly Variable[] {
    return [...this.#variables.values()].filter(({ name }) => !this.#scratches.has(name));
  }

  /** What the program holds and takes as it runs, counted from its shapes; nothing is loaded. */
  footprint(): Footprint {
    const filled = bytesOf(this.variables);
    const chunks = chunksOf(this.variables);
    const staged = chunks.map(({ group }) => {
      const sizes = chunks.filter((chunk) => chunk.group === group).map(chunkBytes);
      const [first = 0, second = 0] = sizes.sort((a, b) => b - a);
      return first + second;
    });
    return {
      filled,
      scratch: bytesOf(this.#variables.values()) - filled,
      staged: Math.max(0, ...staged),
      nodes: this.#entries.reduce((sum, { nodes }) => sum + nodes.length, 0),
      entries: new Map(
        this.#entries.map(({ name, nodes, outputs }) => [name, peakBytes(nodes, Object.values(outputs))]),
      ),
    };
  }

  /** Adds the entry points that write and read variables, emits the graph and opens a session on it. */
  async load({ execution = 'graph', ...options }: LoadOptions = {}): Promise<Session> {
    const variables = this.variables;
    const chunks = chunksOf(variables);
    const alone = reachedAlone(variables);
    for (const [index, variable] of variables.entries())
      if (alone.has(variable)) this.#access(`${index}`, [variable]);
    for (const [index, chunk] of chunks.entries()) this.#access(`chunk-${index}`, chunk.variables);
    const entries = this.#entries.map(({ compile, ...entry }) => ({
      ...entry,
      compiled: compile && execution === 'xla',
    }));
    return Session.open(entries, variables, chunks, options);
  }

  #declare(entry: string, name: string, { shape, dtype }: Value): void {
    const known = this.#variables.get(name);
    if (known === undefined) this.#variables.set(name, { name, shape, dtype });
    else if (known.dtype !== dtype || !sameShape(known.shape, shape))
      throw new ShapeError(
        `variable "${name}" is ${dtype} ${show(shape)} in ${entry} and ${known.dtype} ${show(known.shape)} before`,
      );
  }

  #access(suffix: string, variables: readonly Variable[]): void {
    const asTraced = { compile: false };
    this.entry(
      `set/${suffix}`,
      (t) => {
        const writes = variables.map((variable, i) =>
          t.overwrite(
            t.variable(variable.name, variable.shape, variable.dtype),
            receive(t, `v${i}`, variable),
          ),
        );
        return { outputs: { done: t.after(writes, t.scalar(1, 'int32')) } };
      },
      asTraced,
    );
    this.entry(
      `get/${suffix}`,
      (t) => ({
        outputs: Object.fromEntries(variables.map((variable, i) => [`v${i}`, send(t, variable)])),
      }),
      asTraced,
    );
  }
}

const bytesOf = (variables: Iterable<Variable>): number =>
  [...variables].reduce((sum, variable) => sum + byteSize(variable), 0);
