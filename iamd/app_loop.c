/*
 * app_loop - what happens while the daemon runs: signals, reload, and the maintenance thread.
 *
 * Signals are blocked in every thread and taken by sigwait() in the main one, so no handler ever runs.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "iamd/api/write_batch.h"
#include "iamd/app.h"
#include "iamd/sys/clock.h"
#include "iamd/sys/log.h"
#include "iamd/sys/metrics.h"
#include "iamd/sys/notify.h"
#include "iamd/sys/thread.h"

/* How often slow clients are looked for, logs flushed, and the database tended. */
#define SWEEP_MS 250
#define FLUSH_MS 1000
#define TEND_MS  60000

/* ---- maintenance ---- */

/* Waits; true when the thread shall end. */
static bool wait_or_stop(struct app *a, int64_t ms)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_mutex_lock(&a->stop_mutex);
	if (!a->is_stopping)
		(void)pthread_cond_timedwait(&a->stop_wake, &a->stop_mutex, &until);
	stop = a->is_stopping;
	(void)pthread_mutex_unlock(&a->stop_mutex);
	return stop;
}

static void *maintenance(void *arg)
{
	struct app *a = arg;
	int64_t watchdog_ms = (int64_t)(notify_watchdog_us() / 2000);
	int64_t flushed = 0, tended = clock_mono_ms(), pinged = 0;

	while (!wait_or_stop(a, SWEEP_MS)) {
		int64_t now = clock_mono_ms();

		metrics_count(METRIC_CONNECTIONS_CUT, server_sweep(a->svc.server));
		(void)publish_reclaim(a->svc.publisher);
		if (now - flushed >= FLUSH_MS) {
			access_log_flush_all();
			flushed = now;
		}
		if (now - tended >= TEND_MS) {
			write_maintenance(&a->svc);
			tended = now;
		}
		if (watchdog_ms > 0 && now - pinged >= watchdog_ms) {
			(void)notify_send("WATCHDOG=1");
			pinged = now;
		}
	}
	return NULL;
}

enum iam_err app_maintenance_start(struct app *a)
{
	a->has_maintenance = thread_start(&a->maintenance, "maintenance", maintenance, a);
	return a->has_maintenance ? IAM_OK : IAM_INTERNAL;
}

void app_maintenance_stop(struct app *a)
{
	if (!a->has_maintenance)
		return;
	(void)pthread_mutex_lock(&a->stop_mutex);
	a->is_stopping = true;
	(void)pthread_cond_signal(&a->stop_wake);
	(void)pthread_mutex_unlock(&a->stop_mutex);
	thread_join(a->maintenance);
	a->has_maintenance = false;
}

/* ---- reload ---- */

/* Everything that can fail is done before anything is switched; TLS last of those. */
static enum iam_err reload(struct app *a, struct iam_error *err)
{
	PUBLISH_SCOPE(a->svc.publisher, scope);
	struct app_key_paths paths;
	struct keyring_settings keys;
	struct keyring *keyring = NULL;
	struct config *fresh = NULL;
	enum iam_err e = app_config(&a->options, &fresh, err);

	if (e == IAM_OK)
		e = config_merge(scope.root->config, fresh);
	if (e == IAM_OK) {
		app_keyring_settings(fresh, &paths, &keys);
		keys.may_create = false;
		e = keyring_load(&keys, &keyring, err);
	}
	if (e == IAM_OK)
		e = server_reload_proxies(a->svc.server, fresh->trusted_proxies, err);
	if (e == IAM_OK && fresh->tls_certificate_file[0] != '\0')
		e = server_reload_tls(a->svc.server, fresh->tls_certificate_file,
			fresh->tls_key_file, err);
	if (e == IAM_OK && !access_log_open(fresh->access_log))
		e = iam_error_set(err, IAM_CONFIG, "access_log: cannot open '%s'",
			fresh->access_log);
	if (e == IAM_OK) {
		log_set_level((enum log_level)fresh->log_level);
		e = publish_reload(a->svc.publisher, keyring, fresh);
	}
	if (e != IAM_OK) {
		keyring_free(keyring);
		config_free(fresh);
	}
	return e;
}

static void reload_and_say(struct app *a)
{
	struct iam_error err = {IAM_OK, ""};
	enum iam_err e;

	(void)notify_send("RELOADING=1");
	e = reload(a, &err);
	if (e == IAM_OK)
		log_event(LOG_LEVEL_INFO, "config.reloaded", LOG_INT("ok", 1));
	else
		log_event(LOG_LEVEL_ERROR, "config.reload_failed",
			LOG_CSTR("error",
				err.text[0] != '\0' ? err.text : iam_err_text(e)),
			LOG_CSTR("kept", "the running configuration"));
	(void)notify_send("READY=1");
}

void app_wait(struct app *a)
{
	sigset_t set;
	int sig = 0;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGQUIT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			continue;
		if (sig == SIGHUP)
			reload_and_say(a);
		else if (sig == SIGUSR1)
			(void)access_log_reopen();
		else
			break;
	}
	log_event(LOG_LEVEL_INFO, "app.stopping", LOG_INT("signal", sig));
}
