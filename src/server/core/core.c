/* SPDX-License-Identifier: MPL-2.0 */
/* The core role: start, channels to api and ca, the tick. See core.h. */
#include "server/core/core.h"
#include "server/core/launch.h"
#include "server/core/judging.h"
#include "server/core/nonces.h"
#include "server/core/notes.h"
#include "server/core/policies.h"
#include "server/core/relaylink.h"
#include "server/core/revoke.h"
#include "server/core/unsaved.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "proc/proc.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define TICK_MS 250
#define LOST_MS (5 * 60 * 1000)
#define WAKE_MS 3
#define SILENT_CHECK_MS 1000
/* So often the parent hears that the core lives although its writer is at the
 * same step: half an hour, with one question a minute. */
#define STUCK_MAX 30
#define STUCK_TOLD 3 /* from then on the store counts as failing */

void *
core_job_new(struct core *c, size_t size, uint32_t request,
    int (*run)(struct store *, struct writer_job *, struct err *),
    void (*done)(struct writer_job *))
{
	struct core_job *j = calloc(1, size);

	if (j == NULL)
		return (NULL);
	j->j.run = run;
	j->j.done = done;
	j->j.cost = size;
	j->c = c;
	j->request = request;
	return (j);
}

/* --- events ------------------------------------------------------------- */

struct event_job {
	struct core_job j;
	int64_t now;
	const char *kind;
	char *json;
};

static int
event_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct event_job *v = (struct event_job *)j;

	return (store_event_put(s, v->now, v->kind, v->json, e));
}

static void
event_done(struct writer_job *j)
{
	struct event_job *v = (struct event_job *)j;

	core_wake(v->j.c);
	free(v->json);
	free(v);
}

void
core_event(struct core *c, const char *kind, const char *json)
{
	struct event_job *v;

	v = core_job_new(c, sizeof(*v), 0, event_run, event_done);
	if (v == NULL)
		return;
	if ((v->json = strdup(json)) == NULL) {
		free(v);
		return;
	}
	v->now = clock_wall_ms();
	v->kind = kind;
	writer_submit(c->writer, &v->j.j);
}

int64_t
core_now(struct core *c)
{
	int64_t now = clock_mono_ms();

	c->sched.wall_ahead = clock_wall_ms() - now;
	return (now);
}

void
core_broken(struct core *c, const char *what)
{
	log_error("core error=\"out of memory for %s\" doing=restart", what);
	proc_loop_stop(c->role.loop);
}

/* --- the tick ----------------------------------------------------------- */

static uint8_t
store_state(int failing)
{
	switch (failing) {
	case 0:
		return (STORE_WELL);
	case ERR_FULL:
		return (STORE_FULL);
	case ERR_BUSY:
		return (STORE_LOCKED);
	default:
		return (STORE_BROKEN);
	}
}

static void
judge_store(struct core *c, int failing)
{
	uint8_t state;
	bool stuck;

	if (c->stuck > 0 && writer_moves(c->writer))
		c->stuck = 0;
	stuck = c->stuck >= STUCK_TOLD;
	state = stuck ? STORE_BROKEN : store_state(failing);
	if (c->status.store != state)
		log_warn("store state=%s",
		    log_quote(stuck        ? "one write takes minutes"
			    : failing != 0 ? err_text(failing)
					   : "well"));
	c->status.store = state;
}

static void
send_status(struct core *c)
{
	struct server_status *s = &c->status;
	struct writer_stats w;
	struct buf out;

	writer_stats(c->writer, &w);
	s->relay_up = relaylink_up(c->link);
	s->registered = c->registry.n - c->registry.revoked;
	s->online = c->registry.online;
	s->revoked = c->registry.revoked;
	s->reconnecting = c->registry.lost;
	s->actions_open = c->sched.nopen;
	s->writer_groups = w.groups;
	s->writer_jobs = w.jobs;
	s->writer_waiting = w.waiting;
	s->writer_bytes = w.bytes;
	s->commit_us = w.commit_us;
	memcpy(s->commit_le, w.commit_le, sizeof(s->commit_le));
	assemblies_stats(c->parts, &s->assemblies, &s->assemblies_bytes);
	relaylink_stats(c->link, s);
	judge_store(c, w.failing);
	if (c->api == NULL || ipc_chan_queued(c->api) > MSG_BODY_MAX)
		return;
	buf_init(&out, 4096);
	server_status_write(s, &out);
	/* Another one follows. */
	if (out.error == 0)
		ipc_chan_send(c->api, MSG_STATUS, 0, out.data, out.len);
	buf_release(&out);
}

static void
answer_event(struct core *c, struct run *r)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, 1024);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(&r->id).s);
	jsonw_str(&w, "status", action_status_text(r->status));
	jsonw_u64(&w, "expected", r->expected);
	jsonw_u64(&w, "answered", r->answered);
	jsonw_object_end(&w);
	if (buf_str(&out) != NULL)
		core_event(c, "answer", buf_str(&out));
	buf_release(&out);
}

/* Agents wait longer and longer for a store that takes nothing. */
static void
watch_store(struct core *c)
{
	bool takes = c->status.store == STORE_WELL && c->disk != DISK_FULL;

	if (takes && c->took_nothing && relaylink_up(c->link))
		agents_roll_call(c);
	c->took_nothing = !takes;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct core *c = arg;
	int64_t now = core_now(c);
	struct run *r;

	sched_tick(&c->sched, now);
	TAILQ_FOREACH (r, &c->sched.runs, next) {
		if (!r->touched)
			continue;
		r->touched = false;
		answer_event(c, r);
	}
	if (c->lost_since != 0 && now - c->lost_since > LOST_MS) {
		c->lost_since = 0;
		registry_forget_lost(&c->registry);
	}
	if (now - c->last_silent >= SILENT_CHECK_MS) {
		c->last_silent = now;
		agents_forget_silent(c);
	}
	relaylink_tick(c->link);
	policies_tick(c);
	revoke_tick(c, clock_mono_ms());
	assemblies_tick(c->parts, clock_mono_ms());
	upkeep_tick(c, now);
	logins_tick(c, now);
	cosign_tick(c, now);
	send_status(c);
	watch_store(c);
	unsaved_tick(c);
}

/* What was committed within a moment is announced once. */
static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct core *c = arg;

	if (c->api == NULL)
		return;
	send_status(c);
	ipc_chan_send(c->api, MSG_WAKE, 0, NULL, 0);
}

void
core_wake(struct core *c)
{
	struct timeval soon = { 0, WAKE_MS * 1000 };

	if (c->wake != NULL && !event_pending(c->wake, EV_TIMEOUT, NULL))
		timer_start(c->wake, &soon);
}

/* --- channels ----------------------------------------------------------- */

static void
on_peer_close(struct ipc_chan *ch, const char *why, void *arg)
{
	struct core *c = arg;
	bool api = ch == c->api;

	/* the parent tells whose end it was, or that of all */
	log_info(
	    "peer_closed role=%s why=%s", api ? "api" : "ca", log_quote(why));
	if (api) {
		c->api = NULL;
	} else {
		c->ca = NULL;
		enrol_ca_lost(c);
		revoke_ca_lost(c);
	}
	ipc_chan_free(ch);
}

static void
on_peer(struct role *role, enum server_role peer, int fd)
{
	struct core *c = role->arg;
	struct ipc_chan **slot = peer == ROLE_API ? &c->api : &c->ca;

	if (peer != ROLE_API && peer != ROLE_CA) {
		close(fd);
		return;
	}
	ipc_chan_free(*slot);
	*slot = ipc_chan_new(role->base, fd, MSG_BODY_MAX, MSG_QUEUE_MAX,
	    peer == ROLE_API ? core_on_api : enrol_on_ca, on_peer_close, c);
	if (*slot == NULL) {
		log_error("peer error=\"out of memory\"");
		return;
	}
	if (peer == ROLE_API) {
		send_status(c);
	} else {
		enrol_ca_lost(c);
		revoke_ca_lost(c);
	}
}

/* --- start -------------------------------------------------------------- */

/* A random number that names this installation, made once: one that cannot be
 * read is no reason for another. */
static int
load_instance(struct core *c, struct store *w, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, ID_LEN);
	rc = store_meta_get(w, "instance", &b, e);
	if (rc == 0 && b.len == ID_LEN) {
		memcpy(c->instance.b, b.data, ID_LEN);
	} else if (rc == 0 || rc == ERR_TOOBIG) {
		rc = err_set(e, ERR_INVALID,
		    "the store's name of this installation is damaged: restore"
		    " a backup");
	} else if (rc == ERR_NOTFOUND) {
		if (getrandom(c->instance.b, ID_LEN, 0) != ID_LEN)
			rc = err_errno(e, "getrandom");
		else
			rc = store_meta_set(
			    w, "instance", c->instance.b, ID_LEN, e);
	}
	buf_release(&b);
	return (rc);
}

static int
set_ca(struct core *c, const void *pem, size_t len, struct err *e)
{
	struct id fprs[CA_CERTS_MAX];
	struct buf all, newest;
	size_t n = 0;
	int rc = 0;

	buf_init(&all, X509_PEM_MAX);
	buf_init(&newest, X509_PEM_MAX);
	buf_add(&all, pem, len);
	if (buf_str(&all) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		rc = x509_ca_newest(buf_str(&all), 1, &newest, e);
	if (rc == 0 && buf_str(&newest) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		x509_ca_fingerprints(buf_str(&all), fprs, CA_CERTS_MAX, &n);
	buf_release(&all);
	if (rc != 0) {
		buf_release(&newest);
		return (rc);
	}
	buf_release(&c->ca_pem);
	c->ca_pem = newest;
	c->nca = n;
	memcpy(c->ca_fprs, fprs, n * sizeof(fprs[0]));
	return (0);
}

static int
load_ca(struct core *c, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct buf b;
	int rc;

	buf_init(&b, X509_PEM_MAX);
	rc = file_read(server_file(&c->role.conf, FILE_CA_CERT, path), &b, e);
	if (rc == 0)
		rc = set_ca(c, b.data, b.len, e);
	buf_release(&b);
	return (rc);
}

/* Who was online is only still true when the relay is the one of before. A
 * store that cannot be written now is no reason to serve nobody. */
static void
check_relay(struct core *c, struct store *w)
{
	char text[32];
	struct buf b;
	struct err e;
	int rc;

	snprintf(text, sizeof(text), "%lld", (long long)c->role.relay_started);
	buf_init(&b, sizeof(text));
	rc = store_meta_get(w, "relay", &b, NULL);
	if (rc == 0 && b.len == strlen(text) &&
	    memcmp(b.data, text, b.len) == 0) {
		buf_release(&b);
		return;
	}
	buf_release(&b);
	if ((rc = store_agents_offline(w, &e)) != 0 ||
	    (rc = store_meta_set(w, "relay", text, strlen(text), &e)) != 0) {
		log_error("start error=%s", log_quote(e.msg));
		unsaved_relay(c);
	}
}

static int
open_store(struct core *c, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct store *w;
	int rc;

	server_file(&c->role.conf, FILE_DB, path);
	if ((rc = store_open(path, STORE_EXISTING, &w, e)) != 0)
		return (rc);
	if ((rc = load_instance(c, w, e)) != 0) {
		store_close(w);
		return (rc);
	}
	check_relay(c, w);
	if ((rc = store_open(path, STORE_READ, &c->read, e)) != 0) {
		store_close(w);
		return (rc);
	}
	c->write = w;
	upkeep_start(c);
	return (0);
}

static int
load(struct core *c, struct err *e)
{
	uint8_t seed[16];
	int rc;

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return (err_errno(e, "getrandom"));
	rate_init(&c->notes, NOTES_A_MINUTE, seed);
	registry_init(&c->registry);
	c->nonces = nonces_new();
	c->parts = answers_new(c);
	c->unsaved = unsaved_new();
	c->started = clock_mono_ms();
	c->revoke = revoke_new();
	if (c->nonces == NULL || c->parts == NULL || c->unsaved == NULL ||
	    c->revoke == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if ((rc = load_ca(c, e)) != 0 || (rc = open_store(c, e)) != 0 ||
	    (rc = agents_load(c, e)) != 0 || (rc = policies_load(c, e)) != 0 ||
	    (rc = sched_init(&c->sched, &c->registry, &core_sched_ops, c,
		 c->started, e)) != 0 ||
	    (rc = launch_load(c, e)) != 0)
		return (rc);
	return (0);
}

struct relay_job {
	struct core_job j;
	char text[32];
};

static int
relay_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct relay_job *r = (struct relay_job *)j;
	int rc;

	if ((rc = store_agents_offline(s, e)) != 0)
		return (rc);
	return (store_meta_set(s, "relay", r->text, strlen(r->text), e));
}

static void
relay_done(struct writer_job *j)
{
	struct relay_job *r = (struct relay_job *)j;

	/* Agents may be back before it is tried again: their states follow. */
	if (writer_is_passing(j->rc))
		unsaved_relay(r->j.c);
	free(r);
}

void
core_store_relay(struct core *c)
{
	struct relay_job *r;

	r = core_job_new(c, sizeof(*r), 0, relay_run, relay_done);
	if (r == NULL) {
		unsaved_relay(c);
		return;
	}
	snprintf(
	    r->text, sizeof(r->text), "%lld", (long long)c->role.relay_started);
	writer_submit(c->writer, &r->j.j);
}

/* The relay was started anew: nobody is connected to it yet. */
static void
on_relay(struct role *role)
{
	struct core *c = role->arg;

	c->lost_since = clock_mono_ms();
	registry_relay_lost(&c->registry);
	log_info("relay_new lost=%zu", c->registry.lost);
	core_store_relay(c);
}

static int
on_parent(struct role *role, const struct ipc_msg *m)
{
	struct core *c = role->arg;
	const uint8_t *pem;
	struct err e;
	struct rd rd;
	size_t len;

	if (m->type == MSG_CA) {
		rd_init(&rd, m->body, m->len);
		pem = rd_field(&rd, X509_PEM_MAX, &len);
		if (!rd_done(&rd))
			return (ERR_INVALID);
		if (set_ca(c, pem, len, &e) != 0)
			log_error("ca error=%s", log_quote(e.msg));
		upkeep_certificates(c);
		return (0);
	}
	if (m->type != MSG_RELAY_RELOAD || m->len != 0)
		return (ERR_INVALID);
	upkeep_certificates(c);
	relaylink_reload(c->link);
	return (0);
}

/* The parent asks. The loop does, as it runs; the writer may hang alone. */
static bool
lives(struct role *role)
{
	struct core *c = role->arg;

	if (!relaylink_lives(c->link))
		ipc_chan_send(role->parent, MSG_RELAY_SILENT, 0, NULL, 0);
	if (writer_moves(c->writer))
		c->stuck = 0;
	else if (++c->stuck == STUCK_MAX)
		log_error("writer_hangs effect=%s",
		    log_quote("the parent is told no more that the core lives: "
			      "it starts it anew"));
	return (c->stuck < STUCK_MAX);
}

/* Threads are started in the sandbox: most of it holds for the thread that
 * entered it and those it makes. */
static int
start(struct core *c, struct err *e)
{
	static const struct timeval tick = { 0, TICK_MS * 1000 };

	if ((c->writer = writer_new(c->role.base, c->write, e)) == NULL)
		return (ERR_INTERNAL);
	if ((c->link = relaylink_new(c, e)) == NULL)
		return (ERR_INTERNAL);
	launch_end_late(c);
	c->tick = event_new(c->role.base, -1, EV_PERSIST, on_tick, c);
	c->wake = event_new(c->role.base, -1, 0, on_wake, c);
	if (c->tick == NULL || c->wake == NULL ||
	    event_add(c->tick, &tick) != 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

static void
release(struct core *c)
{
	ipc_chan_free(c->api);
	ipc_chan_free(c->ca);
	c->api = c->ca = NULL;
	event_free(c->tick);
	event_free(c->wake);
	c->wake = NULL;
	sched_relay_up(&c->sched, false, 0);
	kick_free(c->kick);
	c->kick = NULL;
	relaylink_free(c->link);
	c->link = NULL; /* the last jobs' done() must not use it */
	writer_free(c->writer);
	enrol_ca_lost(c);
	sched_release(&c->sched);
	registry_release(&c->registry);
	assemblies_free(c->parts);
	unsaved_free(c->unsaved);
	revoke_free(c->revoke);
	policies_free(c->policies);
	judging_free(c->judging);
	nonces_free(c->nonces);
	keyring_release(&c->keyring);
	buf_release(&c->ca_pem);
	store_close(c->read);
}

int
core_main(void)
{
	static struct core c;
	char db[SERVER_PATH_MAX], relay[SERVER_PATH_MAX];
	struct sandbox_path paths[2];
	struct err e;
	int rc;

	role_start(&c.role, "core");
	c.role.arg = &c;
	c.role.on_peer = on_peer;
	c.role.on_relay = on_relay;
	c.role.on_parent = on_parent;
	c.role.lives = lives;
	if (load(&c, &e) != 0)
		fatal("start error=%s", log_quote(e.msg));
	paths[0].path = server_file(&c.role.conf, FILE_DB_DIR, db);
	paths[1].path = server_file(&c.role.conf, FILE_RELAY_DIR, relay);
	paths[0].write = paths[1].write = true;
	role_sandbox(&c.role, paths, 2, 0);
	if (start(&c, &e) != 0)
		fatal("start error=%s", log_quote(e.msg));
	rc = role_run(&c.role);
	release(&c);
	return (rc);
}
