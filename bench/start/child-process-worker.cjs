// What child_process.fork runs: loads a file of functions, sends when it called the first one, and ends or stays.
"use strict";

const [file, then] = process.argv.slice(2);
const { firstLine, idle } = require(file);

process.send(firstLine(), () => {
  if (then === "idle") idle();
  else process.disconnect();
});
