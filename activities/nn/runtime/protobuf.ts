/**
 * Writes the few wire forms of Protocol Buffers that a GraphDef needs, into one growing buffer.
 *
 * A nested message's length is written behind its content, into four bytes kept free for it: a varint may be longer than it must.
 */
export class ProtobufWriter {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;

  /** What has been written so far. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  integer(field: number, value: number): void {
    this.#varint(field * 8);
    this.#varint(value);
  }

  text(field: number, value: string): void {
    this.message(field, () => {
      this.#reserve(value.length * 3);
      this.#length += utf8.encodeInto(value, this.#bytes.subarray(this.#length)).written;
    });
  }

  data(field: number, value: Uint8Array): void {
    this.message(field, () => {
      this.#reserve(value.length);
      this.#bytes.set(value, this.#length);
      this.#length += value.length;
    });
  }

  /** A nested message; `write` writes its fields. */
  message(field: number, write: () => void): void {
    this.#varint(field * 8 + 2);
    this.#reserve(lengthBytes);
    const at = this.#length;
    this.#length += lengthBytes;
    write();
    let rest = this.#length - at - lengthBytes;
    if (rest >= 2 ** (7 * lengthBytes)) throw new RangeError(`a message of ${rest} bytes is too long`);
    for (let i = 0; i < lengthBytes; i++, rest >>>= 7)
      this.#bytes[at + i] = (rest & 127) | (i < lengthBytes - 1 ? 128 : 0);
  }

  /** An integer from −2⁵³ to 2⁵³, as 64 bits in two's complement. */
  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    if (rest < 0) {
      let bits = BigInt.asUintN(64, BigInt(value));
      for (; bits > 127n; bits >>= 7n) this.#bytes[this.#length++] = Number(bits & 127n) | 128;
      rest = Number(bits);
    }
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 128;
    this.#bytes[this.#length++] = rest;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

const lengthBytes = 4;
const utf8 = new TextEncoder();
