/** Patches of one image: frames, rows and columns before merging. */
export interface Grid {
  readonly t: number;
  readonly h: number;
  readonly w: number;
}

export interface Positions {
  /** [3, T] row-major: time, row and column of each token. */
  readonly ids: Int32Array;
  /** The position of the token that comes after the last, on all three axes. */
  readonly next: number;
}

/** A prompt's image tokens and its images do not match. */
export class ImageTokenMismatch extends Error {
  override readonly name = 'ImageTokenMismatch';
}

/** Image embeddings that a grid becomes: `mergeSize`² patches each. */
export const embeddingsOf = ({ t, h, w }: Grid, mergeSize: number): number => (t * h * w) / mergeSize ** 2;

/**
 * M-RoPE positions of one sequence: text counts up on all three axes together; an image takes (frame, row, column) from where the
 * text stopped, and the text after it goes on behind the largest of them, so that an image costs max(rows, columns) positions.
 *
 * Grids are those of the images in order. Reference: Wang et al. 2024, https://arxiv.org/abs/2409.12191 §2.1.
 */
export function positionIds(
  tokens: ArrayLike<number>,
  grids: readonly Grid[],
  config: { readonly imageTokenId: number; readonly vision: { readonly mergeSize: number } },
): Positions {
  const { imageTokenId } = config;
  const { mergeSize } = config.vision;
  const wanted = Array.from(tokens).filter((token) => token === imageTokenId).length;
  const given = grids.reduce((sum, grid) => sum + embeddingsOf(grid, mergeSize), 0);
  if (wanted !== given)
    throw new ImageTokenMismatch(`${wanted} image tokens, but ${grids.length} images of ${given} embeddings`);
  const ids = new Int32Array(3 * tokens.length);
  const put = (at: number, t: number, h: number, w: number): void => {
    ids[at] = t;
    ids[at + tokens.length] = h;
    ids[at + 2 * tokens.length] = w;
  };
  let [next, image] = [0, 0];
  for (let at = 0; at < tokens.length;) {
    const grid = tokens[at] === imageTokenId ? grids[image++] : undefined;
    if (grid === undefined) {
      put(at++, next, next, next);
      next++;
      continue;
    }
    const [rows, columns] = [grid.h / mergeSize, grid.w / mergeSize];
    for (let frame = 0; frame < grid.t; frame++)
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
          if (tokens[at] !== imageTokenId)
            throw new ImageTokenMismatch(
              `image ${image} of ${grids.length} has ${grid.t * rows * columns} embeddings, but its image tokens end at token ${at}`,
            );
          put(at++, next + frame, next + row, next + column);
        }
    next += Math.max(grid.t, rows, columns);
  }
  return { ids, next };
}
