/** Bytes of the header of a frame: the number of segments, and where each of at most fifteen begins. */
const HEADER = 64;
const MOST_SEGMENTS = 15;

/** Unpacks one segment of `length` bytes into every `stride`-th byte of `to`, beginning at `at`. */
const unpack = (segment: Buffer, to: Uint8Array, at: number, stride: number, length: number): void => {
  let [from, done] = [0, 0];
  while (done < length) {
    const control = segment[from++];
    if (control === undefined) throw new Error('a run-length segment is cut short');
    if (control === 128) continue;
    const run = control < 128 ? control + 1 : 257 - control;
    if (done + run > length) throw new Error('a run-length segment holds more than its pixels');
    if (from + (control < 128 ? run : 1) > segment.length)
      throw new Error('a run-length segment is cut short');
    for (let i = 0; i < run; i++) to[at + stride * done++] = segment[control < 128 ? from++ : from]!;
    if (control > 128) from++;
  }
  // One byte may pad a segment to an even length.
  if (segment.length - from > 1) throw new Error('a run-length segment holds more than its pixels');
};

/**
 * Decodes a run-length frame (PS3.5 annex G) of `pixels` pixels. Segments hold one byte of one sample each, high bytes
 * first; the result has samples interleaved and low bytes first.
 */
export const decodeRunLengths = (
  frame: Buffer,
  pixels: number,
  samples: number,
  bytesPerSample: number,
): Uint8Array => {
  const count = samples * bytesPerSample;
  if (frame.length < HEADER || frame.readUInt32LE(0) !== count || count > MOST_SEGMENTS)
    throw new Error(`a run-length frame of these pixels has ${count} segments, and this one has not`);
  const starts = Array.from({ length: count }, (_, i) => frame.readUInt32LE(4 + 4 * i));
  const to = new Uint8Array(pixels * count);
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1] ?? frame.length;
    if (start < HEADER || start > end || end > frame.length)
      throw new Error('the segments of a run-length frame do not lie in it');
    const [sample, byte] = [Math.floor(i / bytesPerSample), bytesPerSample - 1 - (i % bytesPerSample)];
    unpack(frame.subarray(start, end), to, sample * bytesPerSample + byte, count, pixels);
  }
  return to;
};
