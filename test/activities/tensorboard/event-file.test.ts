import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../activities/tensorboard/crc32c.ts';
import { EVENT_FILE, eventFile } from '../../../activities/tensorboard/event-file.ts';
import type { StepFigures } from '../../../activities/tensorboard/event-file.ts';
import golden from '../../golden/tensorboard-events.json' with { type: 'json' };

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('crc32c', () => {
  it('has the check value of the Castagnoli polynomial and the vectors of RFC 3720', () => {
    expect(crc32c(ascii('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });
});

describe('an event file', () => {
  it('is byte for byte the one of TensorBoard’s own writer', () => {
    const file = eventFile(golden.rows as StepFigures[]);
    expect(Buffer.from(file).toString('base64')).toBe(golden.file);
  });

  it('leaves out what a step has no figure for', () => {
    expect(eventFile([{ step: 1, loss: 2, validationLoss: undefined }])).toEqual(
      eventFile([{ step: 1, loss: 2 }]),
    );
  });

  it('has a name that TensorBoard looks for', () => {
    expect(EVENT_FILE).toContain('tfevents');
  });
});
