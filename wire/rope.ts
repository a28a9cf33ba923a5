/** Bytes in several pieces, which are copied once: into the message that goes out. */
export class Rope {
  readonly pieces: readonly Uint8Array[];
  readonly byteLength: number;

  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
    let length = 0;
    for (const piece of pieces) length += piece.byteLength;
    this.byteLength = length;
  }

  copy(target: Uint8Array, offset: number): void {
    let position = offset;
    for (const piece of this.pieces) {
      target.set(piece, position);
      position += piece.byteLength;
    }
  }
}
