// A Node function that examples/warm-functions.ts calls: it needs the whole TypeScript compiler.
import ts from "typescript";

export function syntaxNodes(source) {
  let count = 0;
  const visit = (node) => {
    count += 1;
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("source.ts", source, ts.ScriptTarget.Latest));
  return count;
}
