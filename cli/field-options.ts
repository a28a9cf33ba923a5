/** What a command line calls the fields of the API, of all commands. What begins with one of these is meant as well. */
const options: Readonly<Record<string, string>> = {
  "spec.cpus": "--cpus",
  "spec.cpus.max_wait_ms": "--cpus-wait",
  "spec.env": "--env",
  "spec.exec": "the command",
  "spec.fork_from": "--fork-from",
  "spec.full_policy": "--full",
  "spec.init": "--init",
  "spec.init.arguments": "--init-args",
  "spec.interpreter": "--interpreter",
  "spec.keep_fds": "--keep-fd",
  "spec.limits.cpu_max_milli": "--cpu-max",
  "spec.limits.cpu_weight": "--cpu-weight",
  "spec.limits.memory_high_bytes": "--memory-high",
  "spec.limits.memory_max_bytes": "--memory-max",
  "spec.limits.pids_max": "--pids-max",
  "spec.limits.rlimits": "--rlimit",
  "spec.log_retention": "--keep-output",
  "spec.max_bytes": "--max-bytes",
  "spec.max_items": "--max-items",
  "spec.module_path": "--module-path",
  "spec.node": "--node",
  "spec.node.arguments": "--args",
  "spec.node.module_path": "--module-path",
  "spec.parent": "--parent",
  "spec.preload": "--preload",
  "spec.preload_timeout_ms": "--preload-timeout",
  "spec.python": "--python",
  "spec.python.arguments": "--args",
  "spec.python.module_path": "--module-path",
  "spec.run_as": "--user",
  "spec.runtime": "--runtime",
  "spec.start_method": "--method",
  "spec.template": "--template",
  "spec.umask": "--umask",
  "spec.warm_workers": "--warm",
  "spec.working_dir": "--cwd",
};

/** A sentence of the daemon's in the words of the command line: with options in place of the fields that it names. */
export function inOptions(sentence: string): string {
  return sentence.replace(/\bspec(?:\.[a-z]+(?:_[a-z]+)*)+/g, (field) => optionOf(field) ?? field);
}

function optionOf(field: string): string | undefined {
  for (let name = field; name !== ""; name = name.slice(0, Math.max(name.lastIndexOf("."), 0))) {
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (option !== undefined) return option;
  }
  return undefined;
}
