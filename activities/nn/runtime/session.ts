import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import type { FileRange } from '../checkpoint/files.ts';
import type { HostArray } from '../ops/dtype.ts';
import type { Value } from '../ops/node.ts';
import { show, sizeOf } from '../ops/shape.ts';
import { collectGarbage } from './collect-garbage.ts';
import { savedModel, tensorNames } from './graph-def.ts';
import type { EntryPoint, Signature } from './graph-def.ts';
import { canMap, mapFile } from './map-file.ts';
import { loadTensorFlow, nodeBackend } from './tensorflow.ts';
import type { TensorFlow, TensorFlowOptions } from './tensorflow.ts';
import { createStaging, put } from './staging.ts';
import { checkStored, chunkBytes, wire, wireBytes, wireInto } from './variable.ts';
import type { Chunk, StoredNumbers, Variable, VariableData } from './variable.ts';

/** An entry point or a variable is asked for by a name, or with a size, that the program does not have. */
export class SessionError extends Error {
  override readonly name = 'SessionError';
}

/** Gives a variable's numbers by its name behind the group's. */
type Read = (key: string) => VariableData | StoredNumbers | Promise<VariableData | StoredNumbers>;

/** Bytes of a chunk above which what it was read into is freed at once. */
const worthCollecting = 2 ** 24;

/** An entry point and how the graph's tensors are called that are fed to it and fetched from it. */
type Entry = Signature & { readonly tensors: ReturnType<typeof tensorNames> };

/** One use of an entry point. What is fed is an array, or lies in a file that is mapped. */
interface Call {
  readonly entry: string;
  readonly feeds: Readonly<Record<string, HostArray | FileRange>>;
}

/** A loaded program: TensorFlow runs its entry points, and its variables stay with it until `dispose`. */
export class Session {
  readonly variables: readonly Variable[];
  readonly #tf: TensorFlow;
  /** TensorFlow's own session, by the backend's number for it. */
  readonly #id: number;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #indices: ReadonlyMap<string, number>;
  readonly #chunks: readonly Chunk[];

  private constructor(
    tf: TensorFlow,
    id: number,
    entries: readonly EntryPoint[],
    variables: readonly Variable[],
    chunks: readonly Chunk[],
  ) {
    this.#tf = tf;
    this.#id = id;
    this.#entries = new Map(
      entries.map((entry) => {
        const { name, inputs, outputs } = entry;
        return [name, { name, inputs, outputs, tensors: tensorNames(entry) }];
      }),
    );
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
      await writeFile(join(folder, 'saved_model.pb'), savedModel(entries));
      const id = nodeBackend(tf).loadSavedModelMetaGraph(folder, 'serve');
      return new Session(tf, id, entries, variables, chunks);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** Runs an entry point: arrays by input name to arrays by output name. Blocks the thread until it is done. */
  run(entry: string, feeds: Readonly<Record<string, HostArray>> = {}): Record<string, HostArray> {
    const names = [...this.#entry(entry).tensors.outputs.keys()];
    const arrays = this.#execute([{ entry, feeds }]);
    return Object.fromEntries(names.map((name, i) => [name, arrays[i]!]));
  }

  /** Runs entry points together; what each gives, one behind the other. */
  #execute(calls: readonly Call[]): HostArray[] {
    const inputs: { readonly name: string; readonly tensor: Tensor }[] = [];
    try {
      for (const call of calls) {
        const { tensors, inputs: values } = this.#entry(call.entry);
        for (const name of Object.keys(call.feeds))
          if (!(name in values)) throw new SessionError(`${call.entry} has no input "${name}"`);
        for (const [name, value] of Object.entries(values))
          inputs.push({ name: tensors.inputs.get(name)!, tensor: this.#tensor(call, name, value) });
      }
      const outputs = nodeBackend(this.#tf).runSavedModel(
        this.#id,
        inputs.map(({ tensor }) => tensor),
        inputs.map(({ name, tensor: { dtype } }) => ({ name, dtype })),
        calls.flatMap(({ entry }) => [...this.#entry(entry).tensors.outputs.values()]),
      );
      return outputs.map((tensor) => {
        const data = tensor.dataSync() as HostArray;
        tensor.dispose();
        return data;
      });
    } finally {
      for (const { tensor } of inputs) tensor.dispose();
    }
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new SessionError(`the program has no entry point "${name}"`);
    return entry;
  }

  #tensor({ entry, feeds }: Call, name: string, { shape, dtype }: Value): Tensor {
    const data = feeds[name];
    const type = dtype as 'float32' | 'int32' | 'bool';
    if (data !== undefined && 'position' in data)
      return mapFile(this.#tf, data, shape, type === 'float32' ? type : 'int32');
    if (data?.length === sizeOf(shape)) return this.#tf.tensor(data, [...shape], type);
    throw new SessionError(
      `${entry}: input "${name}" is ${dtype} ${show(shape)}, ${data === undefined ? 'not fed' : `fed ${data.length} numbers`}`,
    );
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
   * Writes every variable of a group, read by the name behind "group/". What lies in a file as the variable holds it is
   * mapped where it can be: nothing may write to such a variable in place. The largest chunks come first, while there is
   * room; some are read while TensorFlow takes those before.
   */
  async fill(group: string, read: Read): Promise<void> {
    const chunks = this.#group(group).toSorted(([, a], [, b]) => chunkBytes(b) - chunkBytes(a));
    await this.#write(group, chunks, read);
    if (chunks.some(([, chunk]) => chunkBytes(chunk) > worthCollecting)) collectGarbage();
  }

  async #write(group: string, chunks: readonly (readonly [number, Chunk])[], read: Read): Promise<void> {
    const stagings = [createStaging(), createStaging()];
    const prepare = async (turn: number): Promise<Call['feeds']> => {
      const { variables } = chunks[turn]?.[1] ?? { variables: [] };
      const data = await Promise.all(variables.map(async ({ name }) => read(name.slice(group.length + 1))));
      const mapped = variables.map((variable, i) => this.#mappable(variable, data[i]!));
      const bytes = variables.map((variable, i) => (mapped[i] === undefined ? wireBytes(variable) : 0));
      const places = stagings[turn % 2]!.reserve(bytes);
      const feeds = variables.map(
        async (variable, i) =>
          [`v${i}`, mapped[i] ?? (await wireInto(places[i]!, variable, data[i]!))] as const,
      );
      return Object.fromEntries(await Promise.all(feeds));
    };
    // What is mapped takes no room, and the first run of an entry point takes as long as that of all together.
    const together: Call[] = [];
    let next = prepare(0);
    try {
      for (const [turn, [index]] of chunks.entries()) {
        const call = { entry: `set/chunk-${index}`, feeds: await next };
        next = prepare(turn + 1);
        if (Object.values(call.feeds).every((feed) => 'position' in feed)) together.push(call);
        else this.#execute([call]);
      }
    } finally {
      await next.catch(() => undefined);
    }
    if (together.length > 0) this.#execute(together);
  }

  /** Where numbers lie as a variable holds them, if they can be mapped there. */
  #mappable(variable: Variable, data: VariableData | StoredNumbers): FileRange | undefined {
    if (!('readInto' in data) || data.dtype !== variable.dtype) return undefined;
    checkStored(variable, data);
    return data.range !== undefined && canMap(this.#tf, data.range) ? data.range : undefined;
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
    nodeBackend(this.#tf).deleteSavedModel(this.#id);
  }

  #variable(name: string): readonly [number, Variable] {
    const index = this.#indices.get(name);
    const variable = index === undefined ? undefined : this.variables[index];
    if (index === undefined || variable === undefined)
      throw new SessionError(`the program has no variable "${name}"`);
    if (!this.#entries.has(`get/${index}`))
      throw new SessionError(`variable "${name}" is one of too many to be reached but with its group`);
    return [index, variable];
  }

  #group(group: string): [number, Chunk][] {
    const chunks = [...this.#chunks.entries()].filter(([, chunk]) => chunk.group === group);
    if (chunks.length === 0) throw new SessionError(`the program has no variables "${group}/…"`);
    return chunks;
  }
}
