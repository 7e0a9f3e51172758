/*
 * thread - what one thread owns: its database reader, epoch slot, token cache, scratch memory.
 *
 * The only per-thread state of the daemon. Slots are filled lazily by their modules and released
 * by the given function when the thread ends.
 */
#ifndef SYS_THREAD_H
#define SYS_THREAD_H

#include <stdbool.h>

enum thread_slot {
	THREAD_DB_READER,
	THREAD_EPOCH,
	THREAD_TOKEN_CACHE,
	THREAD_METRICS,
	THREAD_ACCESS_LOG,
	THREAD_CRYPT,
	THREAD_DIGEST,
	THREAD_REQUEST_IDS,
	THREAD_ANSWERS,
	THREAD_SLOT_COUNT
};

typedef void thread_free_fn(void *value);

/* The calling thread's value, NULL when unset. */
void *thread_get(enum thread_slot slot);

/* Sets it; the previous value (if any) is released first. */
void thread_set(enum thread_slot slot, void *value, thread_free_fn *free_value);

/*
 * Every signal but those of a crash (SIGSEGV, SIGABRT ...), which must end the process with their
 * usual noise. `ret_set` is a sigset_t.
 */
void thread_signals_to_block(void *ret_set);

/* Starts a joinable thread with those signals blocked and the given name (at most 15 bytes). */
bool thread_start(unsigned long *ret_thread, const char *name, void *(*run)(void *),
	void *arg);
void thread_join(unsigned long thread);

#endif
