import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { z } from 'zod';
import { withVector } from '../../activities/merge/open-vector.ts';
import { alignCheckpoint } from '../../activities/nn/checkpoint/align-checkpoint.ts';
import { openCheckpoint } from '../../activities/nn/checkpoint/checkpoint.ts';
import { writeSafetensors, type Tensor } from '../../activities/nn/checkpoint/safetensors-file.ts';
import { openAnswerer } from '../../activities/nn/generation/answerer.ts';
import { forwardPrompt } from '../../activities/nn/generation/forward-prompt.ts';
import { nodeFolder } from '../../activities/nn/runtime/files.ts';
import { openInferenceModel, type InferenceModel } from '../../activities/nn/runtime/inference-model.ts';
import { ModelInput } from '../../schemas/message.ts';
import type { ResolvedCompute } from '../../schemas/config/compute.ts';
import { artifactFolder } from './artifact-folder.ts';
import { computeOf, withCompute, type ComputeOptions } from './compute-options.ts';
import { checkVectorOptions, withVectorOptions, type VectorOptions } from './vector-options.ts';

interface ModelOptions extends ComputeOptions, VectorOptions {
  readonly model: string;
  readonly input: string;
  readonly adapter?: string;
  readonly json?: boolean;
}

/** Opens the model that the options name and encodes their input, for the time of `use`. */
async function withInput<T>(
  options: ModelOptions,
  use: (
    model: InferenceModel & { readonly compute: ResolvedCompute },
    prompt: Awaited<ReturnType<InferenceModel['encode']>>,
  ) => Promise<T>,
): Promise<T> {
  checkVectorOptions(options);
  const compute = await computeOf(options);
  const input = await readInput(options.input);
  await using folder = await artifactFolder(options.model);
  await using adapter = options.adapter === undefined ? undefined : await artifactFolder(options.adapter);
  await using vector = options.vector === undefined ? undefined : await artifactFolder(options.vector);
  const weights = vector && withVector(vector.path, options.eta);
  await using model = await openInferenceModel({ model: folder.path, adapter: adapter?.path, weights });
  return await use(
    { ...model, compute },
    await model.encode('input', input.messages, input.images, dirname(resolve(options.input))),
  );
}

async function readInput(file: string): Promise<ModelInput> {
  const text = await readFile(file, 'utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const read = ModelInput.safeParse(json);
  if (!read.success) throw new Error(`${file}: ${z.prettifyError(read.error)}`);
  return read.data;
}

async function forward(options: ModelOptions & { readonly out: string }): Promise<void> {
  const tensors = await withInput(options, forwardPrompt);
  await writeSafetensors(nodeFolder(dirname(resolve(options.out))), basename(options.out), tensors);
  const shapes = Object.fromEntries([...tensors].map(([name, { shape }]: [string, Tensor]) => [name, shape]));
  if (options.json === true)
    process.stdout.write(`${JSON.stringify({ out: options.out, tensors: shapes })}\n`);
  else
    for (const [name, shape] of Object.entries(shapes))
      process.stdout.write(`${name} [${shape.join(', ')}]\n`);
}

interface GenerateOptions extends ModelOptions {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly seed: number;
}

async function generate(options: GenerateOptions): Promise<void> {
  const { maxNewTokens, temperature, seed } = options;
  const answer = await withInput(options, async (model, prompt) => {
    const { checkpoint, adapter, compute, loadImage, suppressed, stopTokens, processor } = model;
    const prompts = [prompt];
    const sampled = temperature > 0;
    using answerer = await openAnswerer({
      checkpoint,
      adapter,
      compute,
      prompts,
      loadImage,
      suppressed,
      maxNewTokens,
      sampled,
    });
    const [[completion] = []] = await answerer.answer({ maxNewTokens, stopTokens, temperature, seed });
    if (completion === undefined) throw new Error('the model gave no completion');
    const { tokens, finishReason } = completion;
    return { text: processor.tokenizer.decode(tokens), token_ids: tokens, finish_reason: finishReason };
  });
  process.stdout.write(`${JSON.stringify(answer, null, options.json === true ? undefined : 2)}\n`);
}

/** Copies into a folder beside `out` that takes its name when it is whole. */
async function align({ model, out, json }: { model: string; out: string; json?: boolean }): Promise<void> {
  const target = resolve(out);
  if ((await readdir(target).catch(() => [])).length > 0)
    throw new Error(`${out} is not empty: give a new folder`);
  await using folder = await artifactFolder(model);
  const source = nodeFolder(folder.path);
  await (await openCheckpoint(source)).close();
  await mkdir(dirname(target), { recursive: true });
  const partial = await mkdtemp(`${target}.part-`);
  try {
    await alignCheckpoint(source, nodeFolder(partial), (name, done, total) =>
      process.stderr.write(`file ${done}/${total}  ${name}\n`),
    );
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
  process.stdout.write(`${json === true ? JSON.stringify({ out }) : out}\n`);
}

const number =
  (least: number, whole: boolean) =>
  (text: string): number => {
    const value = Number(text);
    if (
      text.trim() !== '' &&
      value >= least &&
      Number.isFinite(value) &&
      (!whole || Number.isSafeInteger(value))
    )
      return value;
    throw new InvalidArgumentError(`It is a ${whole ? 'whole ' : ''}number from ${least}.`);
  };

/** `model forward|generate|align`. */
export const register = (program: Command): void => {
  const model = program
    .command('model')
    .description('run a model on one conversation, or copy it to be mapped');
  const common = (name: string, description: string): Command =>
    withVectorOptions(withCompute(model.command(name).description(description)))
      .requiredOption('--model <dir>', 'model folder, digest or ref')
      .requiredOption('--input <file>', 'JSON: { "messages": […], "images": ["a.png", …] }')
      .option('--adapter <dir>', 'LoRA adapter folder, digest or ref')
      .option('--json', 'print one JSON document');
  common('forward', 'write logits, positions, embeddings and pixels of a prompt')
    .requiredOption('--out <file>', 'safetensors file to write')
    .action((options: ModelOptions & { out: string }) => forward(options));
  common('generate', 'answer a prompt')
    .option('--max-new-tokens <n>', 'tokens of the answer at most', number(1, true), 256)
    .option('--temperature <t>', '0 takes the most likely token', number(0, false), 0)
    .option('--seed <s>', 'of the random numbers', number(0, true), 0)
    .action((options: GenerateOptions) => generate(options));
  model
    .command('align')
    .description('copy a model so that its weights are mapped when it is loaded, not copied into memory')
    .requiredOption('--model <dir>', 'model folder, digest or ref')
    .requiredOption('--out <dir>', 'new folder for the copy')
    .option('--json', 'print one JSON document')
    .action(align);
};
