/* Node's platform gives V8 threads for compiling and collecting garbage. A child has none of them, and would wait for
 * ever for the first task. So a child's platform gets a table of methods in which posting and draining are ours.
 *
 * The places of the methods come from the headers of the Node version that this is compiled for, by the Itanium ABI;
 * that the table of the Node at hand has them there is asked of the dynamic linker before anything depends on it. */
#include "zygote.h"
#include <dlfcn.h>
#include <node.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <v8-platform.h>
#include <v8.h>

#include <memory>

namespace {

using TaskPtr = std::unique_ptr<v8::Task>;

struct Job {
  v8::Task *task;
  timespec due; /* of a delayed one, on CLOCK_REALTIME, which condition variables know */
  Job *next;
};

constexpr size_t kStackBytes = 8 << 20;

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t work = PTHREAD_COND_INITIALIZER;
pthread_cond_t done = PTHREAD_COND_INITIALIZER;
/* All under the lock. */
Job *first, *last, *delayed;
int unfinished, idle, threads, most_threads;

bool is_due(const timespec &due, const timespec &now) {
  return due.tv_sec != now.tv_sec ? due.tv_sec < now.tv_sec : due.tv_nsec <= now.tv_nsec;
}

void append(Job *job) {
  job->next = nullptr;
  if (last != nullptr) last->next = job;
  else first = job;
  last = job;
  unfinished++;
}

/* Takes over what is due; the one that is due next, or null. */
const Job *take_due() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const Job *soonest = nullptr;
  for (Job **place = &delayed; *place != nullptr;) {
    Job *job = *place;
    if (is_due(job->due, now)) {
      *place = job->next;
      append(job);
    } else {
      if (soonest == nullptr || is_due(job->due, soonest->due)) soonest = job;
      place = &job->next;
    }
  }
  return soonest;
}

void *run_jobs(void *) {
  pthread_setname_np(pthread_self(), "forkbus-v8");
  pthread_mutex_lock(&lock);
  for (;;) {
    const Job *soonest = take_due();
    if (first == nullptr) {
      idle++;
      if (soonest == nullptr) {
        pthread_cond_wait(&work, &lock);
      } else {
        const timespec due = soonest->due;
        pthread_cond_timedwait(&work, &lock, &due);
      }
      idle--;
      continue;
    }
    Job *job = first;
    first = job->next;
    if (first == nullptr) last = nullptr;
    pthread_mutex_unlock(&lock);
    job->task->Run();
    delete job->task;
    free(job);
    pthread_mutex_lock(&lock);
    if (--unfinished == 0) pthread_cond_broadcast(&done);
  }
  return nullptr;
}

/* With the lock. Signals stay with the main thread. */
void see_to_thread() {
  pthread_cond_signal(&work);
  if (idle > 0 || threads >= most_threads) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, run_jobs, nullptr) == 0) threads++;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
}

Job *new_job(TaskPtr task) {
  Job *job = static_cast<Job *>(calloc(1, sizeof(Job)));
  if (job == nullptr) abort();
  job->task = task.release();
  return job;
}

void post(TaskPtr task) {
  Job *job = new_job(std::move(task));
  pthread_mutex_lock(&lock);
  append(job);
  see_to_thread();
  pthread_mutex_unlock(&lock);
}

void post_delayed(TaskPtr task, double seconds) {
  Job *job = new_job(std::move(task));
  clock_gettime(CLOCK_REALTIME, &job->due);
  const double whole = static_cast<double>(static_cast<time_t>(seconds));
  job->due.tv_sec += static_cast<time_t>(seconds);
  job->due.tv_nsec += static_cast<long>((seconds - whole) * 1e9);
  if (job->due.tv_nsec >= 1000000000) {
    job->due.tv_sec++;
    job->due.tv_nsec -= 1000000000;
  }
  pthread_mutex_lock(&lock);
  job->next = delayed;
  delayed = job;
  see_to_thread();
  pthread_mutex_unlock(&lock);
}

void wait_for_jobs() {
  pthread_mutex_lock(&lock);
  while (unfinished > 0) pthread_cond_wait(&done, &lock);
  pthread_mutex_unlock(&lock);
}

bool has_jobs() {
  pthread_mutex_lock(&lock);
  const bool some = unfinished > 0;
  pthread_mutex_unlock(&lock);
  return some;
}

using Drain = void (*)(void *, v8::Isolate *);
Drain node_drain;

/* What a task of ours posts to the main thread may post again. */
void drain(void *self, v8::Isolate *isolate) {
  do {
    wait_for_jobs();
    node_drain(self, isolate);
  } while (has_jobs());
}

#if NODE_MAJOR_VERSION >= 22
#define POST &v8::Platform::PostTaskOnWorkerThreadImpl
#define POST_DELAYED &v8::Platform::PostDelayedTaskOnWorkerThreadImpl
constexpr char kPost[] = "PostTaskOnWorkerThreadImpl";
constexpr char kPostDelayed[] = "PostDelayedTaskOnWorkerThreadImpl";
void post_method(void *, v8::TaskPriority, TaskPtr task, const v8::SourceLocation &) { post(std::move(task)); }
void post_delayed_method(void *, v8::TaskPriority, TaskPtr task, double seconds, const v8::SourceLocation &) {
  post_delayed(std::move(task), seconds);
}
#else
#define POST &v8::Platform::CallOnWorkerThread
#define POST_DELAYED &v8::Platform::CallDelayedOnWorkerThread
constexpr char kPost[] = "CallOnWorkerThread";
constexpr char kPostDelayed[] = "CallDelayedOnWorkerThread";
void post_method(void *, TaskPtr task) { post(std::move(task)); }
void post_delayed_method(void *, TaskPtr task, double seconds) { post_delayed(std::move(task), seconds); }
#endif

/* Where a virtual method is in the table of its class. */
template <class Method>
size_t slot(Method method) {
  size_t words[2];
  static_assert(sizeof words == sizeof method, "a pointer to a method is two words");
  memcpy(words, &method, sizeof words);
#if defined(__aarch64__)
  return words[0] / sizeof(void *);
#else
  return (words[0] - 1) / sizeof(void *);
#endif
}

struct Slots {
  size_t drain = slot(&node::MultiIsolatePlatform::DrainTasks);
  size_t post = slot(POST);
  size_t post_delayed = slot(POST_DELAYED);
};

node::MultiIsolatePlatform *platform() {
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  v8::HandleScope scope(isolate);
  node::Environment *env = node::GetCurrentEnvironment(isolate->GetCurrentContext());
  return env == nullptr ? nullptr : node::GetMultiIsolatePlatform(env);
}

void **&table_of(node::MultiIsolatePlatform *object) { return *reinterpret_cast<void ***>(object); }

/* Whether the linker knows this address as that method of Node's platform. */
bool is_method(void *address, const char *name) {
  Dl_info info;
  if (dladdr(address, &info) == 0 || info.dli_sname == nullptr || info.dli_saddr != address) return false;
  const char *found = strstr(info.dli_sname, name);
  const char *mangled = strstr(info.dli_sname, "12NodePlatform");
  /* Mangled, the length of the name stands before it. */
  return mangled != nullptr && found > mangled && found[-1] == static_cast<char>('0' + strlen(name) % 10);
}

constexpr size_t kMostMethods = 62;
/* The offset to the object's top and its type precede the methods. */
void *children_table[kMostMethods + 2];

int exit_code;
bool is_exiting;

void leave(void *) {
  if (is_exiting) _exit(exit_code);
}

}  // namespace

extern "C" const char *platform_unfit(void) {
  node::MultiIsolatePlatform *object = platform();
  if (object == nullptr) return "this Node has no platform of its own";
  void **methods = table_of(object);
  if (methods == children_table + 2) return nullptr;
  const Slots slots;
  if (!is_method(methods[slots.drain], "DrainTasks")) return "DrainTasks is not where this Node should have it";
  if (!is_method(methods[slots.post], kPost)) return "the posting of tasks is not where this Node should have it";
  if (!is_method(methods[slots.post_delayed], kPostDelayed)) {
    return "the posting of delayed tasks is not where this Node should have it";
  }
  node_drain = reinterpret_cast<Drain>(methods[slots.drain]);
  memcpy(children_table, methods - 2, sizeof children_table);
  void **ours = children_table + 2;
  ours[slots.drain] = reinterpret_cast<void *>(drain);
  ours[slots.post] = reinterpret_cast<void *>(post_method);
  ours[slots.post_delayed] = reinterpret_cast<void *>(post_delayed_method);
  most_threads = object->NumberOfWorkerThreads();
  if (most_threads < 1) most_threads = 1;
  return nullptr;
}

extern "C" void platform_drain(void) { platform()->DrainTasks(v8::Isolate::GetCurrent()); }

extern "C" void platform_repair(void) {
  table_of(platform()) = children_table + 2;
  /* The threads that were counted here are the parent's; all of them slept. */
  lock = PTHREAD_MUTEX_INITIALIZER;
  work = PTHREAD_COND_INITIALIZER;
  done = PTHREAD_COND_INITIALIZER;
  idle = 0;
  threads = 0;
}

extern "C" int platform_threads(void) {
  pthread_mutex_lock(&lock);
  const int count = threads;
  pthread_mutex_unlock(&lock);
  return count;
}

/* Not before the last listener has run: a process that signals itself runs Node's hooks as well. */
extern "C" void platform_exit_with(int code) {
  exit_code = code & 255;
  if (is_exiting) return;
  is_exiting = true;
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  v8::HandleScope scope(isolate);
  node::AtExit(node::GetCurrentEnvironment(isolate->GetCurrentContext()), leave, nullptr);
}
