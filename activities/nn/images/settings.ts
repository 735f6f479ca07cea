import { z } from 'zod';

/** How a model wants its images. */
export interface ImageSettings {
  readonly minPixels: number;
  readonly maxPixels: number;
  readonly patchSize: number;
  readonly temporalPatchSize: number;
  /** Neighbouring patches along each side that become one embedding. */
  readonly mergeSize: number;
  /** Of each channel, on the scale 0 … 1. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** A preprocessor_config.json that this project cannot follow. */
export class ImageSettingsError extends Error {
  override readonly name = 'ImageSettingsError';
}

const positive = z.int().positive();
const rgb = z.tuple([z.number(), z.number(), z.number()]);

/** Keys that are written beside the settings and change nothing here. */
const ignored = [
  'processor_class',
  'image_processor_type',
  'feature_extractor_type',
  'crop_size',
  'data_format',
  'default_to_square',
  'device',
  'disable_grouping',
  'image_seq_length',
  'input_data_format',
  'pad_size',
  'return_tensors',
  'transformers_version',
  '_valid_processor_keys',
] as const;

/** Steps that are always (or never) done: another value would mean other pixels. */
const fixed = {
  do_resize: z.literal(true).nullish(),
  do_rescale: z.literal(true).nullish(),
  do_normalize: z.literal(true).nullish(),
  do_convert_rgb: z.literal(true).nullish(),
  do_center_crop: z.literal(false).nullish(),
  do_pad: z.literal(false).nullish(),
  resample: z.literal(3, { error: 'only 3 (bicubic) is implemented' }).nullish(),
  rescale_factor: z.literal(1 / 255).nullish(),
};

const File = z.strictObject({
  min_pixels: positive.nullish(),
  max_pixels: positive.nullish(),
  size: z.strictObject({ shortest_edge: positive, longest_edge: positive }).partial().nullish(),
  patch_size: positive.nullish(),
  temporal_patch_size: positive.nullish(),
  merge_size: positive.nullish(),
  image_mean: rgb.nullish(),
  image_std: rgb.nullish(),
  ...fixed,
  ...Object.fromEntries(ignored.map((key) => [key, z.unknown().optional()])),
});

/** The processor class's own defaults, where a file says nothing. */
const DEFAULTS = {
  minPixels: 56 * 56,
  maxPixels: 28 * 28 * 1280,
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;

/**
 * Reads a parsed preprocessor_config.json; `file` names it in errors. `maxPixels` caps what the file allows, as the
 * training frameworks do: hub files allow 12 million pixels, which is 16,384 tokens.
 */
export const parseImageSettings = (json: unknown, file: string, maxPixels = Infinity): ImageSettings => {
  const read = File.safeParse(json);
  if (!read.success) throw new ImageSettingsError(`${file}: ${z.prettifyError(read.error)}`);
  const c = read.data;
  const settings: ImageSettings = {
    minPixels: c.min_pixels ?? c.size?.shortest_edge ?? DEFAULTS.minPixels,
    maxPixels: Math.min(c.max_pixels ?? c.size?.longest_edge ?? DEFAULTS.maxPixels, maxPixels),
    patchSize: c.patch_size ?? DEFAULTS.patchSize,
    temporalPatchSize: c.temporal_patch_size ?? DEFAULTS.temporalPatchSize,
    mergeSize: c.merge_size ?? DEFAULTS.mergeSize,
    mean: c.image_mean ?? DEFAULTS.mean,
    std: c.image_std ?? DEFAULTS.std,
  };
  if (settings.minPixels > settings.maxPixels)
    throw new ImageSettingsError(
      `${file}: min_pixels ${settings.minPixels} is over max_pixels ${settings.maxPixels}`,
    );
  return settings;
};
