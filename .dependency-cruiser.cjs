/** The import directions of docs/ARCHITECTURE.md. */
const domain = "^server/(processes|templates|cpus|queues)/";
module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "core-imports-nothing",
      severity: "error",
      from: { path: "^server/core/" },
      to: { pathNot: "^server/core/" },
    },
    {
      name: "wire-imports-nothing",
      comment: "The encoding of frames and of values, which server and client share.",
      severity: "error",
      from: { path: "^wire/" },
      to: { pathNot: "^wire/" },
    },
    {
      name: "domain-is-pure",
      comment: "The domain decides; it knows no Node module, package, adapter or generated type.",
      severity: "error",
      from: { path: domain },
      to: { pathNot: [domain, "^server/core/", "^wire/(items|large-item)\\.ts$"] },
    },
    {
      name: "queues-stand-alone",
      severity: "error",
      from: { path: "^server/queues/" },
      to: { path: "^server/(processes|templates|cpus)/" },
    },
    {
      name: "processes-know-no-templates",
      comment: "They declare what they need of fork servers; templates are it.",
      severity: "error",
      from: { path: "^server/processes/" },
      to: { path: "^server/templates/" },
    },
    {
      name: "zygotes-stand-alone",
      comment:
        "They run in processes of their own, under interpreters that are not the daemon's; they find its native files, and say values as the client does.",
      severity: "error",
      from: { path: "^server/zygotes/" },
      to: {
        path: "^(server/(?!zygotes/|kernel/(native-files|package-root)\\.ts)|client/|proto/|wire/(?!exact-json\\.ts)|node_modules/)",
      },
    },
    {
      name: "nothing-imports-zygotes",
      severity: "error",
      from: { path: "^(server/(?!zygotes/)|client/|cli/)" },
      to: { path: "^server/zygotes/" },
    },
    {
      name: "cpus-stand-alone",
      severity: "error",
      from: { path: "^server/cpus/" },
      to: { path: "^server/(processes|templates|queues)/" },
    },
    {
      name: "adapters-below-grpc",
      comment: "kernel, journal, auth, config and observability never look up at the services.",
      severity: "error",
      from: { path: "^server/(kernel|journal|auth|config|observability)/" },
      to: { path: "^server/(grpc|composition|daemon|main)" },
    },
    {
      name: "only-grpc-sees-generated-code",
      severity: "error",
      from: { path: "^server/", pathNot: "^server/grpc/" },
      to: { path: "^proto/gen/" },
    },
    {
      name: "only-the-daemon-constructs",
      severity: "error",
      from: { path: "^server/", pathNot: "^server/(composition/|daemon\\.ts$|main\\.ts$)" },
      to: { path: "^server/(composition/|daemon\\.ts$|main\\.ts$)" },
    },
    {
      name: "client-and-cli-not-server",
      comment: "The wire is the interface. `forkbus serve` starts the server's own program.",
      severity: "error",
      from: { path: "^(client|cli|examples)/" },
      to: { path: "^server/" },
    },
    {
      name: "client-not-cli",
      severity: "error",
      from: { path: "^client/" },
      to: { path: "^cli/" },
    },
    {
      name: "nothing-imports-tests",
      severity: "error",
      from: { pathNot: "^test/" },
      to: { path: "^test/" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
  },
};
