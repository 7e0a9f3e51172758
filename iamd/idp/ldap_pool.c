/*
 * ldap_pool - keeps connections, picks servers, remembers which of them are down.
 *
 * Does: fail-over in the order of the settings, one prober at a time for a server that failed, and no
 * more binds of a refused lookup account than the back-off allows (it could be locked by them).
 * Does not: retry a caller's operation; know users.
 * Invariants: the lock is held for memory work only, never over a call that may wait; `probing` of a
 * server is set exactly while one caller has its trial connection or is about to make it; a lookup
 * connection in the pool is bound as the settings say.
 */
#include "iamd/idp/ldap_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "iamd/sys/clock.h"
#include "libacl/base/steal.h"

/* LIMIT: the first and the longest time that a server which failed is left alone. */
#define BACK_OFF_MIN_MS 1000
#define BACK_OFF_MAX_MS 60000

/* LIMIT: a connection to a server that is not the first is not kept longer while the first may be up. */
#define SECOND_CHOICE_MS 60000

#define USES 2

struct kept {
	struct ldap_conn *conn;
	int64_t opened_ms;
	int64_t idle_since_ms;
};

/* What failed, and when it may be tried again. */
struct back_off {
	unsigned failures; /* in a row; 0: none */
	int64_t until_ms;
	struct ldap_fault fault;
};

struct server_state {
	struct back_off down;
	bool probing;
	int64_t flushed_ms; /* connections opened before are not to be kept */
};

/* Connections that callers have; the pool must know when they were made. */
struct lent {
	struct ldap_conn *conn;
	int64_t opened_ms;
	bool kept, probe;
	struct lent *next;
};

struct ldap_pool {
	const struct ldap_settings *settings;
	pthread_mutex_t lock;
	struct server_state servers[LDAP_SERVERS_MAX];
	struct back_off
		refused; /* the lookup account; while one caller tries it, until_ms lies ahead */
	struct kept idle[USES][LDAP_POOL_KEEP];
	bool refused_probing;
	unsigned n_idle[USES];
	struct lent *lent;
};

/* ------------------------------------------------------------------ back-off */

/* Doubled each time; jittered, so that many iamd do not come back to a server in the same moment. */
static void back_off_fail(struct back_off *b, const struct ldap_fault *f)
{
	int64_t wait_ms = BACK_OFF_MAX_MS;

	if (b->failures < 6)
		wait_ms = (int64_t)BACK_OFF_MIN_MS << b->failures;
	if (wait_ms > BACK_OFF_MAX_MS)
		wait_ms = BACK_OFF_MAX_MS;
	wait_ms = wait_ms * 3 / 4 + randombytes_uniform((uint32_t)(wait_ms / 4) + 1);
	if (b->failures < 1000000)
		b->failures++;
	b->until_ms = clock_mono_ms() + wait_ms;
	b->fault = *f;
}

static void back_off_end(struct back_off *b)
{
	b->failures = 0;
	b->until_ms = 0;
}

/* Is it the server's fault, so that another one may do better? */
static bool is_servers_fault(const struct ldap_fault *f)
{
	switch (f->state) {
	case LDAP_STATE_OK:
	case LDAP_STATE_NO_MEMORY:
		return false;
	case LDAP_STATE_CODE: /* busy, unavailable */
		return f->code == 51 || f->code == 52;
	case LDAP_STATE_TIMEOUT:
	case LDAP_STATE_UNREACHABLE:
	case LDAP_STATE_TLS:
	case LDAP_STATE_PROTOCOL:
		break;
	}
	return true;
}

static bool is_dead(const struct ldap_fault *f)
{
	return f != NULL && f->state != LDAP_STATE_OK && f->state != LDAP_STATE_CODE;
}

/* ------------------------------------------------------------------ kept connections; lock held */

/* Connections to be closed when the lock is free. */
struct closing {
	struct ldap_conn *conns[USES * LDAP_POOL_KEEP + 1];
	unsigned n;
};

static void idle_remove(struct ldap_pool *p, unsigned use, unsigned i)
{
	p->n_idle[use]--;
	for (; i < p->n_idle[use]; i++)
		p->idle[use][i] = p->idle[use][i + 1];
}

static void idle_drop(struct ldap_pool *p, unsigned use, unsigned i, struct closing *out)
{
	out->conns[out->n++] = p->idle[use][i].conn;
	idle_remove(p, use, i);
}

/* Those to a server that failed will have died as well. */
static void idle_flush(struct ldap_pool *p, unsigned server, struct closing *out)
{
	for (unsigned use = 0; use < USES; use++)
		for (unsigned i = p->n_idle[use]; i-- > 0;)
			if (ldap_conn_server(p->idle[use][i].conn) == server)
				idle_drop(p, use, i, out);
	p->servers[server].flushed_ms = clock_mono_ms();
}

static void idle_sweep(struct ldap_pool *p, unsigned use, int64_t now_ms,
	struct closing *out)
{
	for (unsigned i = p->n_idle[use]; i-- > 0;)
		if (now_ms - p->idle[use][i].idle_since_ms >= LDAP_POOL_IDLE_MS ||
			!ldap_conn_is_quiet(p->idle[use][i].conn))
			idle_drop(p, use, i, out);
}

static void close_all(const struct closing *c)
{
	for (unsigned i = 0; i < c->n; i++)
		ldap_conn_close(c->conns[i]);
}

/* The youngest one that still lives. */
static bool idle_take(struct ldap_pool *p, unsigned use, struct closing *out,
	struct kept *ret)
{
	while (p->n_idle[use] > 0) {
		unsigned last = p->n_idle[use] - 1;
		const struct kept *k = &p->idle[use][last];

		if (clock_mono_ms() - k->idle_since_ms < LDAP_POOL_IDLE_MS &&
			ldap_conn_is_quiet(k->conn)) {
			*ret = *k;
			idle_remove(p, use, last);
			return true;
		}
		idle_drop(p, use, last, out);
	}
	return false;
}

/* ------------------------------------------------------------------ health; lock held */

/* Of many callers that meet the same failure at once, only the first one counts. */
static void server_failed(struct ldap_pool *p, unsigned server, bool probe,
	const struct ldap_fault *f, struct closing *out)
{
	if (p->servers[server].down.failures == 0 || probe)
		back_off_fail(&p->servers[server].down, f);
	idle_flush(p, server, out);
}

/* The first server from `from` on that may be tried now; *ret_probe: as the only one. */
static bool pick_server(struct ldap_pool *p, unsigned from, unsigned *ret,
	bool *ret_probe)
{
	int64_t now_ms = clock_mono_ms();

	for (unsigned i = from; i < p->settings->n_servers; i++) {
		struct server_state *s = &p->servers[i];

		if (s->down.failures > 0 && (s->probing || now_ms < s->down.until_ms))
			continue;
		*ret_probe = s->down.failures > 0;
		s->probing = s->probing || *ret_probe;
		*ret = i;
		return true;
	}
	return false;
}

/* Is there a server before this one that is up, or may be? */
static bool is_second_choice(const struct ldap_pool *p, unsigned server, int64_t now_ms)
{
	for (unsigned i = 0; i < server; i++)
		if (p->servers[i].down.failures == 0 ||
			(!p->servers[i].probing && now_ms >= p->servers[i].down.until_ms))
			return true;
	return false;
}

/* ------------------------------------------------------------------ making one */

struct ldap_pool *ldap_pool_new(const struct ldap_settings *s)
{
	struct ldap_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->settings = s;
	if (pthread_mutex_init(&p->lock, NULL) != 0) {
		free(p);
		return NULL;
	}
	return p;
}

void ldap_pool_free(struct ldap_pool *p)
{
	if (p == NULL)
		return;
	for (unsigned use = 0; use < USES; use++)
		for (unsigned i = 0; i < p->n_idle[use]; i++)
			ldap_conn_close(p->idle[use][i].conn);
	while (p->lent != NULL) {
		struct lent *next = p->lent->next;

		free(p->lent);
		p->lent = next;
	}
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

/* A fresh connection is anonymous already. */
static bool bind_lookup(const struct ldap_settings *s, struct ldap_conn *c,
	int64_t deadline_ms, struct ldap_fault *f)
{
	if (s->lookup_external)
		return ldap_conn_bind_external(c, deadline_ms, f);
	if (s->lookup_dn.ptr == NULL)
		return true;
	return ldap_conn_bind(c, s->lookup_dn, s->lookup_password, false, deadline_ms, f);
}

static struct ldap_conn *make(const struct ldap_settings *s, unsigned server,
	enum ldap_use use, int64_t deadline_ms, struct ldap_fault *f)
{
	int64_t connect_ms = clock_mono_ms() + s->connect_timeout_ms;
	struct ldap_conn *c;
	int64_t bind_ms;

	ldap_conn_open(s, server, connect_ms < deadline_ms ? connect_ms : deadline_ms, &c,
		f);
	if (c == NULL || use == LDAP_USE_BIND)
		return c;
	bind_ms = clock_mono_ms() + s->operation_timeout_ms;
	if (bind_lookup(s, c, bind_ms < deadline_ms ? bind_ms : deadline_ms, f))
		return c;
	ldap_conn_close(c);
	return NULL;
}

/* ------------------------------------------------------------------ taking */

struct taking {
	struct ldap_pool *p;
	enum ldap_use use;
	int64_t deadline_ms;
	struct lent *slot; /* for the connection; NULL: lent */
	struct ldap_fault *fault;
};

/* Writes down that the caller has it; lock held. */
static void lend(struct taking *t, struct kept k, bool kept, bool probe)
{
	struct lent *l = STEAL(t->slot);

	*l = (struct lent){.conn = k.conn,
		.opened_ms = k.opened_ms,
		.kept = kept,
		.probe = probe,
		.next = t->p->lent};
	t->p->lent = l;
}

/* The lookup account was refused, and it is not yet time for one caller to try again; lock held. */
static bool is_refused(struct ldap_pool *p)
{
	int64_t now_ms = clock_mono_ms();

	if (p->refused.failures == 0)
		return false;
	if (now_ms < p->refused.until_ms)
		return true;
	p->refused.until_ms = now_ms + p->settings->connect_timeout_ms +
		p->settings->operation_timeout_ms;
	p->refused_probing = true;
	return false;
}

static struct ldap_conn *take_kept(struct taking *t, bool *ret_refused)
{
	struct ldap_pool *p = t->p;
	struct closing closing = {.n = 0};
	struct kept k = {.conn = NULL};

	pthread_mutex_lock(&p->lock);
	if (idle_take(p, (unsigned)t->use, &closing, &k))
		lend(t, k, true, false);
	*ret_refused = k.conn == NULL && t->use == LDAP_USE_LOOKUP && is_refused(p);
	if (*ret_refused)
		*t->fault = p->refused.fault;
	pthread_mutex_unlock(&p->lock);
	close_all(&closing);
	return k.conn;
}

/* A caller without time is no judge: a server had half of its time, or it is not down. */
static bool is_hasty(const struct taking *t, int64_t began_ms)
{
	return t->fault->state == LDAP_STATE_TIMEOUT &&
		clock_mono_ms() - began_ms < t->p->settings->connect_timeout_ms / 2;
}

/* What a trial has taught. The answer to a lookup bind is an answer: the server is up. */
static void learn(struct taking *t, unsigned server, bool probe, struct ldap_conn *c,
	int64_t began_ms)
{
	struct ldap_pool *p = t->p;
	struct server_state *s = &p->servers[server];
	bool server_failure =
		c == NULL && is_servers_fault(t->fault) && !is_hasty(t, began_ms);
	bool answered = t->use == LDAP_USE_LOOKUP &&
		(c != NULL ? p->settings->lookup_external ||
					p->settings->lookup_dn.ptr != NULL
			   : t->fault->state == LDAP_STATE_CODE && !server_failure);
	struct kept k = {.conn = c, .opened_ms = clock_mono_ms()};
	struct closing closing = {.n = 0};

	pthread_mutex_lock(&p->lock);
	if (server_failure)
		server_failed(p, server, probe, t->fault, &closing);
	if (answered)
		back_off_end(&s->down);
	if (probe && (c == NULL || answered))
		s->probing = probe = false;
	if (c != NULL)
		lend(t, k, false, probe);
	if (answered && c != NULL)
		back_off_end(&p->refused);
	else if (answered && (p->refused.failures == 0 || p->refused_probing))
		back_off_fail(&p->refused, t->fault);
	if (answered)
		p->refused_probing = false;
	pthread_mutex_unlock(&p->lock);
	close_all(&closing);
}

/* The words for "all servers are down", with what the first of them said last. */
static void all_down(struct taking *t)
{
	pthread_mutex_lock(&t->p->lock);
	if (t->p->servers[0].down.failures > 0)
		*t->fault = t->p->servers[0].down.fault;
	pthread_mutex_unlock(&t->p->lock);
	if (t->fault->state == LDAP_STATE_OK || t->fault->state == LDAP_STATE_CODE) {
		t->fault->state = LDAP_STATE_UNREACHABLE;
		t->fault->connecting = true;
	}
}

static struct ldap_conn *take_new(struct taking *t)
{
	unsigned server = 0;
	bool tried = false;
	bool probe = false;

	for (unsigned from = 0;; from = server + 1) {
		int64_t began_ms = clock_mono_ms();
		struct ldap_conn *c;
		bool found;

		pthread_mutex_lock(&t->p->lock);
		found = pick_server(t->p, from, &server, &probe);
		pthread_mutex_unlock(&t->p->lock);
		if (!found)
			break;
		tried = true;
		c = make(t->p->settings, server, t->use, t->deadline_ms, t->fault);
		learn(t, server, probe, c, began_ms);
		if (c != NULL || !is_servers_fault(t->fault) ||
			clock_mono_ms() >= t->deadline_ms)
			return c;
	}
	if (!tried)
		all_down(t);
	return NULL;
}

struct ldap_conn *ldap_pool_take(struct ldap_pool *p, enum ldap_use use,
	int64_t deadline_ms, bool *ret_kept, struct ldap_fault *fault)
{
	struct taking t = {.p = p,
		.use = use,
		.deadline_ms = deadline_ms,
		.slot = calloc(1, sizeof(struct lent)),
		.fault = fault};
	struct ldap_conn *c;
	bool refused;

	*fault = (struct ldap_fault){
		.ppolicy_error = -1, .ppolicy_expires_s = -1, .ppolicy_grace = -1};
	if (t.slot == NULL) {
		fault->state = LDAP_STATE_NO_MEMORY;
		return NULL;
	}
	c = take_kept(&t, &refused);
	*ret_kept = c != NULL;
	if (c == NULL && !refused)
		c = take_new(&t);
	free(t.slot);
	return c;
}

/* ------------------------------------------------------------------ giving back */

/* Takes the record of the loan out of the list; lock held. */
static struct lent *lent_remove(struct ldap_pool *p, const struct ldap_conn *c)
{
	for (struct lent **at = &p->lent; *at != NULL; at = &(*at)->next)
		if ((*at)->conn == c) {
			struct lent *l = *at;

			*at = l->next;
			return l;
		}
	return NULL;
}

/* May the pool have it? Lock held. */
static bool is_worth_keeping(const struct ldap_pool *p, unsigned use,
	const struct lent *l, unsigned server)
{
	int64_t now_ms = clock_mono_ms();

	if (p->n_idle[use] == LDAP_POOL_KEEP ||
		l->opened_ms < p->servers[server].flushed_ms)
		return false;
	return now_ms - l->opened_ms < SECOND_CHOICE_MS ||
		!is_second_choice(p, server, now_ms);
}

static void keep(struct ldap_pool *p, unsigned use, const struct lent *l)
{
	p->idle[use][p->n_idle[use]++] = (struct kept){.conn = l->conn,
		.opened_ms = l->opened_ms,
		.idle_since_ms = clock_mono_ms()};
}

/*
 * A kept connection that turns out to be closed says nothing of the server: they may have been cut
 * between operations. All else does.
 */
static void judge(struct ldap_pool *p, unsigned server, const struct lent *l,
	const struct ldap_fault *f, struct closing *out)
{
	bool cut = l->kept && f != NULL && f->state == LDAP_STATE_UNREACHABLE;

	if (l->probe)
		p->servers[server].probing = false;
	if (cut)
		idle_flush(p, server, out);
	else if (f != NULL && is_servers_fault(f))
		server_failed(p, server, l->probe, f, out);
	else if (!is_dead(f))
		back_off_end(&p->servers[server].down);
}

void ldap_pool_give(struct ldap_pool *p, enum ldap_use use, struct ldap_conn *c,
	const struct ldap_fault *fault)
{
	struct closing closing = {.n = 0};
	unsigned server;
	struct lent *l;

	if (c == NULL)
		return;
	server = ldap_conn_server(c);
	pthread_mutex_lock(&p->lock);
	l = lent_remove(p, c);
	if (l != NULL) {
		judge(p, server, l, fault, &closing);
		if (!is_dead(fault) && is_worth_keeping(p, (unsigned)use, l, server))
			keep(p, (unsigned)use, l);
		else
			closing.conns[closing.n++] = c;
	}
	pthread_mutex_unlock(&p->lock);
	free(l);
	close_all(&closing);
}

void ldap_pool_tend(struct ldap_pool *p)
{
	struct closing closing = {.n = 0};

	pthread_mutex_lock(&p->lock);
	for (unsigned use = 0; use < USES; use++)
		idle_sweep(p, use, clock_mono_ms(), &closing);
	pthread_mutex_unlock(&p->lock);
	close_all(&closing);
}

void ldap_pool_health(struct ldap_pool *p,
	struct ldap_server_health ret[LDAP_SERVERS_MAX])
{
	memset(ret, 0, sizeof(*ret) * LDAP_SERVERS_MAX);
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < p->settings->n_servers; i++) {
		const struct back_off *b = &p->servers[i].down;

		ret[i] = (struct ldap_server_health){.up = b->failures == 0,
			.down_until_ms = b->until_ms,
			.failures = b->failures};
	}
	pthread_mutex_unlock(&p->lock);
}
