/**
 * Images a second from a JPEG file to the vision tower's patches, one image at a time:
 * `node --import tsx test/bench/preprocess.ts photo.jpg [--max-pixels 1003520] [--images 40]`. Prints one JSON line.
 * `preprocess.py` is the same work by the Hugging Face Pillow processor, and makes the file.
 */
import { parseArgs } from 'node:util';
import { imagePatches } from '../../activities/nn/images/patches.ts';
import { parseImageSettings } from '../../activities/nn/images/settings.ts';
import { decodeImage } from '../../activities/nn/runtime/decode-image.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    'max-pixels': { type: 'string', default: String(28 * 28 * 1280) },
    images: { type: 'string', default: '40' },
  },
});
const [file] = positionals;
if (file === undefined) throw new Error('name a JPEG file');
const maxPixels = Number(values['max-pixels']);
const count = Number(values.images);
const settings = parseImageSettings({ max_pixels: maxPixels }, 'the command line');
const load = async () => imagePatches(await decodeImage(file), settings);

for (let i = 0; i < 5; i++) await load();
const start = performance.now();
for (let i = 0; i < count; i++) await load();
const seconds = (performance.now() - start) / 1000;
const { grid } = await load();
const imagesPerSecond = Number((count / seconds).toFixed(2));
console.log(JSON.stringify({ work: 'preprocess', imagesPerSecond, maxPixels, patches: grid.h * grid.w }));
