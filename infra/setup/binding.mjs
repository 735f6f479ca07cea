import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { exists, isWhole, makeFolder, seal } from './cache.mjs';
import { compiler } from './prerequisites.mjs';
import { run, SetupError, step } from './processes.mjs';
import { describeLibrary, libraryFolder } from './tensorflow.mjs';

const PACKAGE = 'node_modules/@tensorflow/tfjs-node-gpu';
const NAME = 'tfjs_binding.node';
/** N-API 8 is the same in every Node from 20 on: one build serves them all. */
const FLAGS = ['-O2', '-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8'];
const LINK =
  process.platform === 'darwin'
    ? ['-undefined', 'dynamic_lookup', '-ltensorflow_cc.2', '-ltensorflow_framework.2']
    : ['-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'];

/** Folder of Node's headers: where npm is told, beside the running Node, or where node-gyp keeps them. */
export async function nodeHeaders(env = process.env, nodeFile = process.execPath) {
  const version = process.versions.node;
  const candidates = [
    ...(env.npm_config_nodedir ? [path.join(env.npm_config_nodedir, 'include/node')] : []),
    path.join(path.dirname(path.dirname(nodeFile)), 'include/node'),
    path.join(env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'node-gyp', version, 'include/node'),
    path.join(os.homedir(), 'Library/Caches/node-gyp', version, 'include/node'),
  ];
  for (const folder of candidates) if (await exists(path.join(folder, 'node_api.h'))) return folder;
  throw new SetupError(
    `the headers of Node ${version} are in none of ${candidates.join(', ')}: use the official Node archive, which has them, or run \`npx node-gyp install\``,
  );
}

async function sources(root) {
  const folder = path.join(root, PACKAGE, 'binding');
  const names = (await readdir(folder)).filter((name) => /\.(cc|h)$/.test(name)).toSorted();
  return { folder, files: names.map((name) => path.join(folder, name)) };
}

/** The binding's folder in the cache, named by all that goes into it, the library's place among it. */
async function bindingFolder(root, cache, library) {
  const hash = createHash('sha256').update(JSON.stringify([library, compiler(), FLAGS, LINK, os.arch()]));
  for (const file of (await sources(root)).files) hash.update(await readFile(file));
  return path.join(cache, 'binding', hash.digest('hex').slice(0, 16));
}

async function compile(root, cache, folder, library) {
  const tensorflow = path.join(library, 'tensorflow');
  const source = await sources(root);
  const headers = await nodeHeaders();
  await step('TensorFlow binding (compiled)', () =>
    makeFolder(cache, folder, async (temporary) => {
      const program = path.join(temporary, NAME);
      const include = [headers, source.folder, path.dirname(source.folder), path.join(tensorflow, 'include')];
      const code = source.files.filter((file) => file.endsWith('.cc'));
      const args = [...FLAGS, ...include.map((at) => `-I${at}`), ...code, '-o', program];
      args.push(`-L${tensorflow}`, ...LINK, `-Wl,-rpath,${tensorflow}`);
      await run(compiler(), args);
      // A library that cannot be loaded is found out here, not in the middle of a run.
      await run(process.execPath, ['-e', `require(${JSON.stringify(program)})`], {
        env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
      });
      await seal(temporary, [NAME], { compiler: compiler() });
    }),
  );
}

const installed = (root) => path.join(root, PACKAGE, 'lib/napi-v8');

/** Whether the binding for this library is in the package. Without the package's sources nobody can tell: no. */
export async function bindingIsThere(root, cache, kind, pin, { thorough = false } = {}) {
  try {
    const folder = await bindingFolder(root, cache, libraryFolder(cache, kind, pin));
    if (!(await isWhole(folder, { thorough }))) return false;
    const [made, there] = await Promise.all(
      [folder, installed(root)].map(async (at) => ({
        size: (await stat(path.join(at, NAME))).size,
        from: at === folder ? path.basename(folder) : await readFile(path.join(at, 'binding'), 'utf8'),
      })),
    );
    return made.size === there.size && made.from === there.from;
  } catch {
    return false;
  }
}

/** Puts the binding into the package, compiled once for each pair of package and library. */
export async function ensureBinding(root, cache, kind, pin, options = {}) {
  if (await bindingIsThere(root, cache, kind, pin, options)) return;
  const library = libraryFolder(cache, kind, pin);
  const folder = await bindingFolder(root, cache, library);
  if (!(await isWhole(folder, options))) await compile(root, cache, folder, library);
  const target = installed(root);
  await mkdir(target, { recursive: true });
  const temporary = path.join(target, `${NAME}.${process.pid}`);
  await copyFile(path.join(folder, NAME), temporary);
  // Renamed, not written over: a process that has loaded the old one goes on with it.
  await rename(temporary, path.join(target, NAME));
  await writeFile(path.join(target, 'library.json'), JSON.stringify(await describeLibrary(cache, kind, pin)));
  await writeFile(path.join(target, 'binding'), path.basename(folder));
}
