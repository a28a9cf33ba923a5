/** How far a producer has come: it outlives its stream, so that the next one goes on from here. */
export interface ProducerPlace {
  /** All items up to this one of the producer's sequences are stored, or were rejected. */
  acceptedSeq: number;
}
