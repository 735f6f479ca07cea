import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EVENT_FILE, eventFile } from '../tensorboard/event-file.ts';
import type { StepFigures } from '../tensorboard/event-file.ts';
import { writeJsonl } from './jsonl.ts';

/** Writes a training's figures, a row for each step: as `metrics.jsonl` and as an event file for TensorBoard. */
export async function writeMetrics(folder: string, rows: readonly StepFigures[]): Promise<void> {
  await writeJsonl(path.join(folder, 'metrics.jsonl'), rows);
  await writeFile(path.join(folder, EVENT_FILE), eventFile(rows), { flag: 'wx' });
}
