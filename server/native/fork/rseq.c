#define _GNU_SOURCE
#include "rseq.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of glibc from 2.35 on; others have no such sequences. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

enum { ORIGINAL_SIZE = 32 };

#if defined(__x86_64__)
enum { RSEQ = 334, SIGNATURE = 0x53053053 };
static char *thread_pointer(void) {
  char *pointer;
  __asm__("movq %%fs:0, %0" : "=r"(pointer));
  return pointer;
}
#elif defined(__aarch64__)
#define SIGNATURE 0xd428bc00u
enum { RSEQ = 293 };
static char *thread_pointer(void) { return __builtin_thread_pointer(); }
#endif

void rseq_again(void) {
#if defined(__x86_64__) || defined(__aarch64__)
  if (&__rseq_size == NULL || &__rseq_offset == NULL || __rseq_size == 0) return;
  char *area = thread_pointer() + __rseq_offset;
  /* The size that was registered is not told: the kernel takes the original one, or all that it knows of. */
  if (__rseq_size > ORIGINAL_SIZE && syscall(RSEQ, area, __rseq_size, 0, SIGNATURE) == 0) return;
  syscall(RSEQ, area, ORIGINAL_SIZE, 0, SIGNATURE);
#endif
}
