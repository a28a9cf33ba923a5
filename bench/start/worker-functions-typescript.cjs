// The same for workers that need a large library.
"use strict";

const typescript = require("typescript");
const { firstLine, idle } = require("./worker-functions.cjs");

exports.firstLine = () => {
  const now = firstLine();
  if (typeof typescript.createProgram !== "function") throw new Error("There is no compiler");
  return now;
};

exports.idle = idle;
