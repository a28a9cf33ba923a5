#ifndef FORKBUS_RSEQ_H
#define FORKBUS_RSEQ_H

/*
 * Registers the C library's restartable sequences with the kernel again, where it had done so: a process that borrows
 * memory has none, and neither has what it forks. Without them sched_getcpu() says for ever what it said before the fork.
 */
void rseq_again(void);

#endif
