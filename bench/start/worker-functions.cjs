// What Node workers are asked to do, by forkbus and by child_process.fork alike.
"use strict";

/** When it was called, in nanoseconds on the monotonic clock of the machine. */
exports.firstLine = () => Number(process.hrtime.bigint());

exports.idle = () => new Promise((resolve) => setTimeout(resolve, 3_600_000));
