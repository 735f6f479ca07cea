import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostArray } from '../ops/dtype.ts';
import { show, sizeOf } from '../ops/shape.ts';
import { collectGarbage } from './collect-garbage.ts';
import { savedModel } from './graph-def.ts';
import type { EntryPoint, Signature } from './graph-def.ts';
import { loadTensorFlow } from './tensorflow.ts';
import type { TensorFlow, TensorFlowOptions } from './tensorflow.ts';
import { createStaging, put } from './staging.ts';
import { chunkBytes, wire, wireBytes, wireInto } from './variable.ts';
import type { Chunk, StoredBfloat16, Variable, VariableData } from './variable.ts';

type Model = Awaited<ReturnType<TensorFlow['node']['loadSavedModel']>>;

/** An entry point or a variable is asked for by a name, or with a size, that the program does not have. */
export class SessionError extends Error {
  override readonly name = 'SessionError';
}

/** Gives a variable's numbers by its name behind the group's. */
type Read = (key: string) => VariableData | StoredBfloat16 | Promise<VariableData | StoredBfloat16>;

/** Bytes of a chunk above which what it was read into is freed at once. */
const worthCollecting = 2 ** 24;

/** A loaded program: TensorFlow runs its entry points, and its variables stay with it until `dispose`. */
export class Session {
  readonly variables: readonly Variable[];
  readonly #tf: TensorFlow;
  readonly #models: ReadonlyMap<string, Model>;
  readonly #signatures: ReadonlyMap<string, Signature>;
  readonly #indices: ReadonlyMap<string, number>;
  readonly #chunks: readonly Chunk[];

  private constructor(
    tf: TensorFlow,
    models: ReadonlyMap<string, Model>,
    signatures: readonly Signature[],
    variables: readonly Variable[],
    chunks: readonly Chunk[],
  ) {
    this.#tf = tf;
    this.#models = models;
    this.#signatures = new Map(signatures.map((signature) => [signature.name, signature]));
    this.variables = variables;
    this.#chunks = chunks;
    this.#indices = new Map(variables.map(({ name }, index) => [name, index]));
  }

  static async open(
    entries: readonly EntryPoint[],
    variables: readonly Variable[],
    chunks: readonly Chunk[],
    options: TensorFlowOptions,
  ): Promise<Session> {
    const tf = loadTensorFlow(options);
    const folder = await mkdtemp(join(tmpdir(), 'mmedexpert-graph-'));
    try {
      const models = new Map<string, Model>();
      for (const [index, entry] of entries.entries()) {
        // The graph is read with the first signature; tfjs reads the file again for each further one, but only for its names.
        await writeFile(join(folder, 'saved_model.pb'), savedModel(index === 0 ? entries : [], entry));
        models.set(entry.name, await tf.node.loadSavedModel(folder, ['serve'], entry.name));
      }
      return new Session(tf, models, entries, variables, chunks);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** Runs an entry point: arrays by input name to arrays by output name. Blocks the thread until it is done. */
  run(entry: string, feeds: Readonly<Record<string, HostArray>> = {}): Record<string, HostArray> {
    const [model, signature] = [this.#models.get(entry), this.#signatures.get(entry)];
    if (model === undefined || signature === undefined)
      throw new SessionError(`the program has no entry point "${entry}"`);
    for (const name of Object.keys(feeds))
      if (!(name in signature.inputs)) throw new SessionError(`${entry} has no input "${name}"`);
    const inputs = Object.entries(signature.inputs).map(([name, { shape, dtype }]) => {
      const data = feeds[name];
      if (data?.length !== sizeOf(shape))
        throw new SessionError(
          `${entry}: input "${name}" is ${dtype} ${show(shape)}, ${data === undefined ? 'not fed' : `fed ${data.length} numbers`}`,
        );
      return [name, this.#tf.tensor(data, [...shape], dtype as 'float32' | 'int32' | 'bool')] as const;
    });
    try {
      const outputs = model.predict(Object.fromEntries(inputs));
      return Object.fromEntries(
        Object.entries(outputs).map(([name, tensor]) => {
          const data = tensor.dataSync() as HostArray;
          tensor.dispose();
          return [name, data];
        }),
      );
    } finally {
      for (const [, tensor] of inputs) tensor.dispose();
    }
  }

  /** Writes one variable, from its own kind of numbers; a bfloat16 one from float32 (rounded) or from its bits. */
  set(name: string, data: VariableData): void {
    const [index, variable] = this.#variable(name);
    const [place] = createStaging().reserve([wireBytes(variable)]);
    this.run(`set/${index}`, { v0: put(place!, wire(variable, data)) });
  }

  /** The numbers one variable holds; bfloat16 as float32. */
  get(name: string): HostArray {
    const { v0 } = this.run(`get/${this.#variable(name)[0]}`);
    if (v0 === undefined) throw new SessionError(`variable "${name}" gave nothing`);
    return v0;
  }

  /**
   * Writes every variable of a group, read by the name behind "group/". The largest ones come first, while there is room;
   * some are read while TensorFlow takes those before.
   */
  async fill(group: string, read: Read): Promise<void> {
    const chunks = this.#group(group).toSorted(([, a], [, b]) => chunkBytes(b) - chunkBytes(a));
    await this.#write(group, chunks, read);
    if (chunks.some(([, chunk]) => chunkBytes(chunk) > worthCollecting)) collectGarbage();
  }

  async #write(group: string, chunks: readonly (readonly [number, Chunk])[], read: Read): Promise<void> {
    const stagings = [createStaging(), createStaging()];
    const prepare = async (turn: number): Promise<Record<string, HostArray>> => {
      const chunk = chunks[turn];
      if (chunk === undefined) return {};
      const places = stagings[turn % 2]!.reserve(chunk[1].variables.map(wireBytes));
      const feeds = chunk[1].variables.map(async (variable, i) => {
        const data = await read(variable.name.slice(group.length + 1));
        return [`v${i}`, await wireInto(places[i]!, variable, data)] as const;
      });
      return Object.fromEntries(await Promise.all(feeds));
    };
    let next = prepare(0);
    try {
      for (const [turn, [index]] of chunks.entries()) {
        const feeds = await next;
        next = prepare(turn + 1);
        this.run(`set/chunk-${index}`, feeds);
      }
    } finally {
      await next.catch(() => undefined);
    }
  }

  /** The numbers of every variable of a group, by the name behind "group/". */
  read(group: string): Map<string, HostArray> {
    const found = new Map<string, HostArray>();
    for (const [index, { variables }] of this.#group(group)) {
      const values = this.run(`get/chunk-${index}`);
      for (const [i, { name }] of variables.entries()) {
        const value = values[`v${i}`];
        if (value !== undefined) found.set(name.slice(group.length + 1), value);
      }
    }
    return found;
  }

  /** Frees the graph and every variable. */
  dispose(): void {
    for (const model of this.#models.values()) model.dispose();
  }

  #variable(name: string): readonly [number, Variable] {
    const index = this.#indices.get(name);
    const variable = index === undefined ? undefined : this.variables[index];
    if (index === undefined || variable === undefined)
      throw new SessionError(`the program has no variable "${name}"`);
    if (!this.#models.has(`get/${index}`))
      throw new SessionError(`variable "${name}" is one of too many to be reached but with its group`);
    return [index, variable];
  }

  #group(group: string): [number, Chunk][] {
    const chunks = [...this.#chunks.entries()].filter(([, chunk]) => chunk.group === group);
    if (chunks.length === 0) throw new SessionError(`the program has no variables "${group}/…"`);
    return chunks;
  }
}
