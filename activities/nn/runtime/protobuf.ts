/** The few wire forms of Protocol Buffers that a GraphDef needs: varints and length-delimited fields. */
export type Bytes = Uint8Array;

const utf8 = new TextEncoder();

export function concatBytes(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A varint of a 64-bit two's complement integer. */
export function varint(number: number): Bytes {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(number));
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Uint8Array.from(out);
}

export const integer = (field: number, value: number): Bytes =>
  concatBytes([varint(field * 8), varint(value)]);

export const message = (field: number, ...parts: readonly Bytes[]): Bytes => {
  const body = concatBytes(parts);
  return concatBytes([varint(field * 8 + 2), varint(body.length), body]);
};

export const text = (field: number, value: string): Bytes => message(field, utf8.encode(value));
