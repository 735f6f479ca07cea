import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { mergeStage } from '../../activities/merge/activity.ts';
import { isCheapToVerify, isWholeUpdate, verifyMerge } from '../../activities/merge/verify.ts';
import { MergeMethod, MergeParams } from '../../schemas/merge-params.ts';
import type { LogitAgreement } from '../../schemas/merge-report.ts';
import { artifactFolder, type ArtifactFolder } from './artifact-folder.ts';
import { AS_TRACED, computeOf } from './compute-options.ts';
import { localIo } from './local-io.ts';

interface Named {
  readonly name: string;
  readonly folder: string;
  readonly weight?: number;
}

interface MergeOptions {
  readonly base: string;
  readonly adapter: Named[];
  readonly start?: Named[];
  readonly method: MergeMethod;
  readonly density?: number;
  readonly trim?: 'tensor' | 'global';
  readonly lambda?: number;
  readonly t?: number;
  readonly seed?: number;
  readonly rlVector?: 'total' | 'delta';
  readonly dtype?: MergeParams['outDtype'];
  readonly shardBytes?: number;
  readonly out: string;
  readonly vectorOut?: string;
  readonly verify?: boolean;
  readonly json?: boolean;
}

/** NAME=DIR or NAME=DIR:WEIGHT; a colon that no number follows belongs to the folder, as `sha256:` does to a digest. */
const parseNamed = (text: string, before: Named[] = []): Named[] => {
  const [, name, rest] = /^([A-Za-z][\w-]*)=(.+)$/.exec(text) ?? [];
  if (name === undefined || rest === undefined)
    throw new InvalidArgumentError('it is written NAME=DIR[:WEIGHT].');
  if (before.some((other) => other.name === name))
    throw new InvalidArgumentError(`the name ${name} is taken.`);
  const [, folder, weight] = /^(.+):([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)$/i.exec(rest) ?? [];
  const weighted = folder !== undefined && weight !== undefined && folder !== 'sha256';
  return [...before, weighted ? { name, folder, weight: Number(weight) } : { name, folder: rest }];
};

const parseNumber = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('it is a number.');
  return value;
};

const isFilled = async (folder: string): Promise<boolean> =>
  (await readdir(folder).catch(() => [])).length > 0;

const agreementText = (agreement: LogitAgreement | null): string => {
  const stored = agreement?.pairs.at(-1);
  if (stored === undefined) return 'its logits were not compared with the unrounded ones: --verify does';
  const { maxAbs, meanKl, sameArgmax } = stored;
  return `its logits are within ${maxAbs.toPrecision(2)} of the unrounded ones: KL ${meanKl.toPrecision(2)} nats, same likeliest token ${(100 * sameArgmax).toFixed(1)} %`;
};

async function merge(options: MergeOptions, command: Command): Promise<void> {
  const { base, adapter, start, method, density, trim, lambda, t, seed, rlVector, dtype, shardBytes } =
    options;
  const names = adapter.map(({ name }) => name);
  if (method === 'slerp' && names.length !== 2) command.error('error: slerp takes two --adapter');
  const parsed = MergeParams.safeParse({
    method,
    weights: Object.fromEntries(adapter.map(({ name, weight }) => [name, weight ?? 1])),
    ...(method === 'slerp' ? { ends: names } : {}),
    ...Object.fromEntries(
      Object.entries({ density, trim, lambda, t, seed, rlVector, outDtype: dtype, shardBytes }).filter(
        ([, value]) => value !== undefined,
      ),
    ),
  });
  if (!parsed.success)
    command.error(
      `error: ${parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
    );
  const params = parsed.data!;
  for (const folder of [options.out, options.vectorOut])
    if (folder !== undefined && (await isFilled(folder)))
      throw new Error(`${folder} is not empty: give a new folder`);

  const out = path.resolve(options.out);
  await mkdir(out, { recursive: true });
  const io = await localIo(undefined, 'tensor', await computeOf(AS_TRACED));
  const opened: ArtifactFolder[] = [];
  let scratch: string | undefined;
  let report: string;
  const open = async (name: string): Promise<string> => {
    const folder = await artifactFolder(name);
    opened.push(folder);
    return folder.path;
  };
  try {
    const inputs: Record<string, string> & { base: string } = { base: await open(base) };
    for (const { name, folder } of adapter) inputs[`adapter.${name}`] = await open(folder);
    for (const { name, folder } of start ?? []) inputs[`start.${name}`] = await open(folder);
    const verify = options.verify ?? (await isCheapToVerify(inputs['base']));
    // It takes as much room as the merged layers in float32, so it lies beside the model, not in the system's scratch.
    if (verify && options.vectorOut === undefined) scratch = await mkdtemp(`${out}.vector-`);
    const vector = options.vectorOut === undefined ? scratch : path.resolve(options.vectorOut);
    const summary = await mergeStage.run(params, {
      ...io,
      inputs,
      outputs: { model: out, ...(vector === undefined ? {} : { vector }) },
    });
    const [only] = names.length === 1 && start === undefined ? names : [];
    const whole = only !== undefined && isWholeUpdate(params, only) ? inputs[`adapter.${only}`] : undefined;
    const agreement =
      verify && vector !== undefined
        ? await verifyMerge({ base: inputs.base, vector, model: out, adapter: whole }, io.signal)
        : null;
    report = options.json
      ? JSON.stringify({ out, ...summary, agreement })
      : `${method} of ${names.join(', ')}: ${out}\n${agreementText(agreement)}`;
  } finally {
    for (const folder of opened) await folder[Symbol.asyncDispose]();
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
  // Only once nothing is left behind: where nobody reads it, the process ends here.
  process.stdout.write(`${report}\n`);
}

export const register = (program: Command): void => {
  program
    .command('merge')
    .description('merge adapters into a full model')
    .requiredOption('--base <model>', 'the model the adapters were trained on')
    .requiredOption(
      '--adapter <name=dir[:weight]>',
      'an adapter, its name and weight (1); repeat',
      parseNamed,
    )
    .option(
      '--start <name=dir>',
      'the vector of the merge that the adapter of this name was trained on; repeat',
      parseNamed,
    )
    .addOption(
      new Option('--method <method>', 'the algorithm').choices(MergeMethod.options).makeOptionMandatory(),
    )
    .option('--density <share>', 'share of entries kept by ties and dare-ties (0.2)', parseNumber)
    .addOption(
      new Option('--trim <scope>', 'trim within each tensor, or across all').choices(['tensor', 'global']),
    )
    .option('--lambda <factor>', 'factor on the merged vector (1)', parseNumber)
    .option('--t <share>', 'slerp: how far from the first adapter to the second (0.5)', parseNumber)
    .option('--seed <n>', 'dare-ties: seed of the dropping (0)', parseNumber)
    .addOption(
      new Option(
        '--rl-vector <part>',
        'count a vector that has a --start from the base, or from its start',
      ).choices(['total', 'delta']),
    )
    .addOption(
      new Option('--dtype <type>', "type of the merged weights (the base's)").choices([
        'base',
        'float32',
        'bfloat16',
        'float16',
      ]),
    )
    .option('--shard-bytes <n>', 'bytes of a shard at most (5e9)', parseNumber)
    .requiredOption('--out <dir>', 'new folder for the merged model')
    .option('--vector-out <dir>', 'new folder for the merged float32 task vector')
    .option(
      '--verify',
      'compare its logits with those of what was merged (up to 2.7e8 parameters it is done anyway)',
    )
    .option('--no-verify', 'do not')
    .option('--json', 'print JSON')
    .action((options: MergeOptions, command: Command) => merge(options, command));
};
