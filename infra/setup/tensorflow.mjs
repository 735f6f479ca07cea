import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { exists, makeFolder, sha256OfFile } from './cache.mjs';
import { run, SetupError, step } from './processes.mjs';

const PACKAGE = 'node_modules/@tensorflow/tfjs-node-gpu';

/** `cuda` where asked for or where an NVIDIA driver is found, else `cpu`. */
export function accelerator(env = process.env) {
  const asked = env.MMEDEXPERT_ACCELERATOR;
  if (asked === 'cuda' || asked === 'cpu') return asked;
  if (asked !== undefined && asked !== '')
    throw new SetupError(`MMEDEXPERT_ACCELERATOR is ${JSON.stringify(asked)}: it is cpu or cuda`);
  try {
    execFileSync('nvidia-smi', ['-L'], { stdio: 'ignore' });
    return 'cuda';
  } catch {
    return 'cpu';
  }
}

/** Extracts what linking and running need; the rest of the wheel is Python. */
const EXTRACT = `
import sys, zipfile
wheel, folder = sys.argv[1:3]
wanted = ('tensorflow/libtensorflow_cc', 'tensorflow/libtensorflow_framework', 'tensorflow/include/tensorflow/',
          'tensorflow/include/tsl/', 'tensorflow/include/xla/tsl/', 'nvidia/')
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith(wanted):
            archive.extract(name, folder)
`;

async function downloadWheel({ name, version, sha256 }, platforms, folder) {
  await run('python3', [
    ...[
      '-m',
      'pip',
      'download',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--only-binary=:all:',
    ],
    ...['--python-version', '3.12', '--implementation', 'cp'],
    ...platforms.flatMap((platform) => ['--platform', platform]),
    ...['--dest', folder, `${name}==${version}`],
  ]);
  const stem = `${name.replaceAll('-', '_')}-${version}`;
  const file = (await readdir(folder)).find((entry) => entry.startsWith(stem) && entry.endsWith('.whl'));
  if (file === undefined) throw new SetupError(`pip downloaded no wheel of ${name} ${version}`);
  const wheel = path.join(folder, file);
  const found = await sha256OfFile(wheel);
  if (found !== sha256)
    throw new SetupError(
      `${file} has sha256 ${found}, not the pinned ${sha256}: it is not what was released`,
    );
  return wheel;
}

/** What tells an intact library from a damaged one without reading a gigabyte: each file's size. */
const inventory = async (folder, names) =>
  Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await stat(path.join(folder, name))).size])),
  );

async function isWhole(folder) {
  try {
    const { files } = JSON.parse(await readFile(path.join(folder, 'library.json'), 'utf8'));
    const now = await inventory(folder, Object.keys(files));
    return Object.keys(files).every((name) => files[name] === now[name]);
  } catch {
    return false;
  }
}

/** The TensorFlow library of this platform in the cache, downloaded and checked where it is not there whole. */
async function ensureLibrary(cache, pins, kind) {
  const key = `${process.platform}-${os.arch()}-${kind}`;
  const pin = pins.tensorflow[key];
  if (!pin)
    throw new SetupError(
      `no TensorFlow library is pinned for ${key}: there are ${Object.keys(pins.tensorflow).join(', ')}`,
    );
  const digest = createHash('sha256').update(JSON.stringify(pin.wheels)).digest('hex').slice(0, 12);
  const folder = path.join(cache, 'tensorflow', `${pin.wheels[0].version}-${kind}-${digest}`);
  if (await isWhole(folder)) return { folder, digest };
  await mkdir(path.dirname(folder), { recursive: true });
  await step(
    `TensorFlow ${pin.wheels[0].version} library for ${kind} (some 270 MB for cpu, 3 GB for cuda)`,
    () =>
      makeFolder(folder, async (temporary) => {
        await writeFile(path.join(temporary, 'extract.py'), EXTRACT);
        for (const wheel of pin.wheels) {
          const downloads = path.join(temporary, 'wheels');
          const file = await downloadWheel(wheel, pin.platforms, downloads);
          await run('python3', [path.join(temporary, 'extract.py'), file, temporary]);
          await run('rm', ['-rf', downloads]);
        }
        const names = (await readdir(path.join(temporary, 'tensorflow')))
          .filter((name) => name.startsWith('libtensorflow'))
          .map((name) => `tensorflow/${name}`);
        const files = await inventory(temporary, names);
        await writeFile(
          path.join(temporary, 'library.json'),
          JSON.stringify({ version: 1, wheels: pin.wheels, kind, files }, null, 2),
        );
      }),
  );
  return { folder, digest };
}

/** Folder of Node's headers: beside the running Node, where npm is told, or where node-gyp keeps them. */
async function nodeHeaders() {
  const prefix = path.dirname(path.dirname(process.execPath));
  const candidates = [
    path.join(prefix, 'include/node'),
    ...(process.env.npm_config_nodedir ? [path.join(process.env.npm_config_nodedir, 'include/node')] : []),
    path.join(os.homedir(), '.cache/node-gyp', process.versions.node, 'include/node'),
    path.join(os.homedir(), 'Library/Caches/node-gyp', process.versions.node, 'include/node'),
    '/usr/include/node',
    '/usr/local/include/node',
  ];
  for (const folder of candidates) if (await exists(path.join(folder, 'node_api.h'))) return folder;
  throw new SetupError(
    `Node's headers are in none of ${candidates.join(', ')}: install them with your Node (package libnode-dev, or the official archive), or run \`npx node-gyp install\``,
  );
}

/** Compiles the binding of tfjs-node-gpu against the library, once for each pair, and puts it into the package. */
export async function ensureTensorFlow(root, cache, pins) {
  const kind = accelerator();
  const { folder, digest } = await ensureLibrary(cache, pins, kind);
  const source = path.join(root, PACKAGE, 'binding');
  const names = (await readdir(source)).filter((name) => /\.(cc|h)$/.test(name)).toSorted();
  const hash = createHash('sha256').update(digest).update(folder);
  for (const name of names) hash.update(await readFile(path.join(source, name)));
  const binding = path.join(cache, 'binding', hash.digest('hex').slice(0, 16), 'tfjs_binding.node');
  if (!(await exists(binding))) {
    await mkdir(path.dirname(binding), { recursive: true });
    const library = path.join(folder, 'tensorflow');
    const [cc, framework] =
      process.platform === 'darwin'
        ? ['-ltensorflow_cc.2', '-ltensorflow_framework.2']
        : ['-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'];
    const headers = await nodeHeaders();
    await step('TensorFlow binding (compiled from the package)', () =>
      run('g++', [
        ...['-O2', '-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8'],
        ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
        ...[`-I${headers}`, `-I${source}`, `-I${path.dirname(source)}`, `-I${library}/include`],
        ...names.filter((name) => name.endsWith('.cc')).map((name) => path.join(source, name)),
        ...['-o', `${binding}.part`, `-L${library}`, cc, framework, `-Wl,-rpath,${library}`],
      ]),
    );
    await rename(`${binding}.part`, binding);
  }
  const target = path.join(root, PACKAGE, 'lib/napi-v8');
  const record = JSON.stringify({ binding, library: path.basename(folder) });
  const current = await readFile(path.join(target, 'library.json'), 'utf8').catch(() => '');
  if (current === record && (await exists(path.join(target, 'tfjs_binding.node')))) return;
  await mkdir(target, { recursive: true });
  await copyFile(binding, path.join(target, 'tfjs_binding.node.part'));
  await rename(path.join(target, 'tfjs_binding.node.part'), path.join(target, 'tfjs_binding.node'));
  await writeFile(path.join(target, 'library.json'), record);
}
