import { type Command, InvalidArgumentError } from 'commander';
import { verifyArtifact, verifyStore } from '../../artifacts/verify.ts';
import { ArtifactKind } from '../../schemas/artifact-kind.ts';
import { connectStore } from '../connect.ts';
import { formatBytes } from './format-bytes.ts';

interface Json {
  readonly json?: boolean;
}

const kind = (value: string): ArtifactKind => {
  const parsed = ArtifactKind.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`It is one of ${ArtifactKind.options.join(', ')}.`);
};

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));

async function ls(options: Json & { kind?: ArtifactKind }): Promise<void> {
  await using store = await opened();
  const artifacts = await store.list(options.kind === undefined ? {} : { kind: options.kind });
  const rows = artifacts.sort((a, b) => b.publishedAt.getTime() - a.publishedAt.getTime());
  if (options.json === true) return printJson(rows);
  for (const { artifact, files, synthetic, publishedAt } of rows) {
    const name = artifact.mediaType.replace(/^.*mmedexpert\.|\.v\d+$/g, '');
    const columns = [
      artifact.digest.slice(0, 19),
      name.padEnd(14),
      formatBytes(artifact.size).padStart(10),
      counted(files, 'file').padStart(11),
      publishedAt.toISOString().slice(0, 19).replace('T', ' '),
      synthetic ? 'synthetic' : '',
    ];
    print(columns.join('  ').trimEnd());
  }
}

async function get(name: string, folder: string, options: Json): Promise<void> {
  await using store = await opened();
  const digest = await store.resolve(name);
  const manifest = await store.fetch(digest, folder);
  if (options.json === true) return printJson({ digest, folder, ...manifest });
  print(
    `${digest}  ${manifest.kind}, ${counted(manifest.files.length, 'file')}, ${formatBytes(manifest.size)} → ${folder}`,
  );
}

async function put(
  folder: string,
  options: Json & { kind: ArtifactKind; synthetic?: boolean },
): Promise<void> {
  await using store = await opened();
  const reference = await store.putFolder(folder, {
    kind: options.kind,
    synthetic: options.synthetic === true,
  });
  if (options.json === true) printJson(reference);
  else print(reference.digest);
}

async function verify(name: string | undefined, options: Json): Promise<void> {
  await using store = await opened();
  const found =
    name === undefined
      ? await verifyStore(store.port, {
          onProgress: (objects, bytes) => {
            if (process.stderr.isTTY && objects % 100 === 0)
              process.stderr.write(`\r${objects} objects, ${formatBytes(bytes)} read`);
          },
        })
      : await verifyArtifact(store.port, await store.resolve(name));
  if (process.stderr.isTTY && name === undefined) process.stderr.write('\r\x1b[K');
  if (options.json === true) printJson(found);
  else {
    for (const { object, problem } of found.problems) print(`${object}: ${problem}`);
    const problems = counted(found.problems.length, 'problem');
    print(`${counted(found.objects, 'object')}, ${formatBytes(found.bytes)} read, ${problems}`);
  }
  if (found.problems.length > 0) process.exitCode = 1;
}

async function opened() {
  const store = await connectStore();
  return { ...store, [Symbol.asyncDispose]: async () => store.close() };
}

/** `store ls|get|put|verify`. */
export const register = (program: Command): void => {
  const store = program.command('store').description('the artifact store');
  store
    .command('ls')
    .description('list artifacts, newest first')
    .option('--kind <kind>', `only of one kind (${ArtifactKind.options.join(', ')})`, kind)
    .option('--json', 'print JSON')
    .action(ls);
  store
    .command('get')
    .description('write the files of an artifact to a folder, all of them verified, or none')
    .argument('<digest>', 'digest, 6 or more digits of one, or a ref such as run/ID/sft/AM')
    .argument('<folder>', 'folder to make; it may not hold anything yet')
    .option('--json', 'print JSON')
    .action(get);
  store
    .command('put')
    .description('publish a folder as an artifact and print its digest')
    .argument('<folder>')
    .requiredOption('--kind <kind>', `what it is (${ArtifactKind.options.join(', ')})`, kind)
    .option('--synthetic', 'mark it as made from invented data')
    .option('--json', 'print JSON')
    .action(put);
  store
    .command('verify')
    .description('read everything, or one artifact, and name each damaged or missing object; exit 1 if any')
    .argument('[digest]')
    .option('--json', 'print JSON')
    .action(verify);
};
