import { type Failure } from "../../../proto/gen/forkbus/v1/types.js";
import { ErrorReason } from "../../../proto/gen/forkbus/v1/error.js";
import { type ProduceResponse, type Reject } from "../../../proto/gen/forkbus/v1/queue.js";
import { type ProducerProgress } from "../../queues/producer.js";
import { type RejectReason, type RejectedItems } from "../../queues/producer-place.js";
import { reasonOfCode, statusOfCode } from "../status-of-error.js";

export function fromProgress(progress: ProducerProgress): ProduceResponse {
  return {
    resumeSeq: 0n,
    acceptedSeq: BigInt(progress.acceptedSeq),
    windowSeq: BigInt(progress.windowSeq),
    windowBytes: BigInt(progress.windowBytes),
    rejects: progress.rejects.map(fromRejected),
    goaway: false,
  };
}

function fromRejected({ first, last, error }: RejectedItems): Reject {
  return { seqs: { first: BigInt(first), last: BigInt(last) }, failure: fromError(error) };
}

function fromError(error: RejectReason): Failure {
  return {
    code: statusOfCode[error.code],
    reason: reasonNumber(reasonOfCode(error.code)),
    message: error.message,
    metadata: { ...error.facts },
  };
}

/** A test sees to it that every code has its reason in the proto. */
function reasonNumber(name: string): ErrorReason {
  const reasons: Readonly<Record<string, ErrorReason>> = ErrorReason;
  return reasons[name] ?? ErrorReason.UNSPECIFIED;
}
