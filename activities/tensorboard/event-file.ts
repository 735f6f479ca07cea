/**
 * A training's figures as a TensorBoard event file: TFRecords of `tensorflow.Event` messages
 * (`tensorflow/core/util/event.proto`, `framework/summary.proto`, `lib/io/record_writer.cc`).
 *
 * Deviation: the wall time of an event is its step in seconds, so that equal trainings give equal bytes.
 */
import protobuf from 'protobufjs/minimal.js';
import { crc32c } from './crc32c.ts';

/** The one name of the file in its folder; TensorBoard looks for `tfevents`. */
export const EVENT_FILE = 'events.out.tfevents.0.mmedexpert';

/** Figures after a step, by the names that TensorBoard shows; what is undefined is left out. */
export type StepFigures = { readonly step: number } & Readonly<Record<string, number | undefined>>;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const tag = (field: number, wire: number): number => (field << 3) | wire;

const versionEvent = (): Uint8Array =>
  protobuf.Writer.create().uint32(tag(3, BYTES)).string('brain.Event:2').finish();

const scalarsEvent = ({ step, ...figures }: StepFigures): Uint8Array => {
  const event = protobuf.Writer.create();
  event.uint32(tag(1, FIXED64)).double(step); // wall_time
  event.uint32(tag(2, VARINT)).int64(step);
  event.uint32(tag(5, BYTES)).fork(); // summary
  for (const [name, value] of Object.entries(figures)) {
    if (value === undefined) continue;
    event.uint32(tag(1, BYTES)).fork(); // value
    event.uint32(tag(1, BYTES)).string(name);
    event.uint32(tag(2, FIXED32)).float(value); // simple_value
    event.ldelim();
  }
  return event.ldelim().finish();
};

/** TFRecord's checksum: rotated, since a checksum of data that holds checksums is weak. */
const maskedCrc = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

/** Length, its checksum, data, its checksum; little-endian. */
const record = (data: Uint8Array): Uint8Array => {
  const framed = new Uint8Array(data.length + 16);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(framed.subarray(0, 8)), true);
  framed.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return framed;
};

/** The whole file for the rows of a `metrics.jsonl`, in their order. */
export const eventFile = (rows: readonly StepFigures[]): Uint8Array => {
  const records = [versionEvent(), ...rows.map(scalarsEvent)].map(record);
  const file = new Uint8Array(records.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const one of records) {
    file.set(one, at);
    at += one.length;
  }
  return file;
};
