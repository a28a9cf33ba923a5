/** What stands after the options of `run`. */
export const runHelp = `
The worker's stdin is ours unless that is a terminal (then say -i), and its stdout and stderr come out
here byte by byte. It has a session of its own and no terminal.

Signals: SIGINT (^C), SIGQUIT and SIGHUP go to the worker and all its descendants, SIGTERM, SIGUSR1 and
SIGUSR2 to the worker. A second ^C stops the worker (SIGTERM, 10 s, then its tree is killed), a third kills
its tree at once, a fourth gives up on a daemon that does not answer and leaves the worker running.

What the worker writes faster than it is read here is kept on the daemon's disk, up to --keep-output. If
it is more, the oldest is lost: notes on stderr say how much, and the exit code is 125.

The worker goes on when the daemon is restarted, and so does this command. When the reader of our output
goes away, as in "forkbus run -- yes | head -1", the worker is stopped.

A function is called in a worker that was forked in a few milliseconds from a template, in which everything
is loaded already. What it prints comes out as that of a command; then what it returns, as one line of JSON on
stdout. When it raises, its traceback is on stderr, and the exit code is 1.

Exit code: the worker's; 128+N when signal N killed it; 141 when the reader of our output went away; 125
when forkbus failed, output was lost, or nobody knows how the worker ended; 126 when the command cannot be run; 127 when
there is no such command.

Examples:
  forkbus run -- sort -u names.txt
  tar c . | forkbus run --cpus 2 -- xz -T2 > all.tar.xz
  forkbus run --keep-output 20GiB -- tar c . | ssh backup 'cat > all.tar'
  forkbus run --python math:hypot --args '[3, 4]'
  forkbus run --node ./images.js#resize --args '["a.png", 200]' | jq .width
  forkbus run --python app:train --template numpy --args '{"epochs": 3}' --memory-max 2G
  forkbus run -d --name web --label team=a --rlimit nofile=4096 -- ./server --port 80`;
