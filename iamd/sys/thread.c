/*
 * thread - starting threads, and what each of them owns.
 *
 * The slots live in thread-local memory; one pthread key makes their owners' free functions run
 * when a thread ends, whoever started it (libmicrohttpd's threads included). They do not run for
 * the main thread at exit().
 * Invariant: the key's value is set whenever a slot may hold a value.
 */
#include "iamd/sys/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct slot {
	void *value;
	thread_free_fn *free_value;
};

struct thread_context {
	struct slot slots[THREAD_SLOT_COUNT];
	bool is_registered;
};

struct start {
	void *(*run)(void *);
	void *arg;
	char name[16];
};

static _Thread_local struct thread_context context;
static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static bool end_key_made;

static void slot_release(struct slot *slot)
{
	struct slot old = *slot;

	*slot = (struct slot){0};
	if (old.value != NULL && old.free_value != NULL)
		old.free_value(old.value);
}

/*
 * A free function may fill a slot again (a reader that counts while it closes); the key is then
 * set again and the C library calls us once more, up to PTHREAD_DESTRUCTOR_ITERATIONS times.
 */
static void thread_ended(void *value)
{
	struct thread_context *c = value;

	c->is_registered = false;
	for (unsigned i = 0; i < THREAD_SLOT_COUNT; i++)
		slot_release(&c->slots[i]);
}

static void make_key(void)
{
	end_key_made = pthread_key_create(&end_key, thread_ended) == 0;
}

void *thread_get(enum thread_slot slot)
{
	return context.slots[slot].value;
}

void thread_set(enum thread_slot slot, void *value, thread_free_fn *free_value)
{
	slot_release(&context.slots[slot]);
	context.slots[slot] = (struct slot){.value = value, .free_value = free_value};
	if (value == NULL || context.is_registered)
		return;
	(void)pthread_once(&end_once, make_key);
	if (end_key_made)
		context.is_registered = pthread_setspecific(end_key, &context) == 0;
}

static void *thread_main(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	(void)pthread_setname_np(pthread_self(), start.name);
	return start.run(start.arg);
}

void thread_signals_to_block(void *ret_set)
{
	static const int crashes[] = {
		SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t *set = ret_set;

	(void)sigfillset(set);
	for (unsigned i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		(void)sigdelset(set, crashes[i]);
}

bool thread_start(unsigned long *ret_thread, const char *name, void *(*run)(void *),
	void *arg)
{
	struct start *start = calloc(1, sizeof(*start));
	pthread_t thread;
	sigset_t all, before;
	int rc;

	if (start == NULL)
		return false;
	start->run = run;
	start->arg = arg;
	(void)snprintf(start->name, sizeof(start->name), "%.15s", name);

	/* The new thread inherits the mask: a signal never finds it unblocked, not even at once. */
	thread_signals_to_block(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, thread_main, start);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		free(start);
		return false;
	}
	*ret_thread = thread;
	return true;
}

void thread_join(unsigned long thread)
{
	(void)pthread_join(thread, NULL);
}
