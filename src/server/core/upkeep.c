/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: upkeep. Removes what was kept long enough, in small pieces between
 * which everything else is written; watches the disk and says no before the
 * store is at risk:
 *
 *              less than disk_reserve        less than a quarter of it
 *   DISK_OK -------------------------> LOW ---------------------------> FULL
 *              no new actions (507)        answers are not acknowledged:
 *                                          agents keep them and try again
 *
 * A store that is larger than store_max, with nothing in it that may go, counts
 * as LOW. It is looked at again soon: an action may end meanwhile.
 */
#include "server/core/core.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "server/audit.h"
#include "server/store/upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define PRUNE_MS (10 * 60 * 1000)
#define PRUNE_OVER_MS 2000
#define WATCH_MS 2000
#define SHRINK_PAGES 256
#define FULL_PART 4 /* of the reserve */
#define CLOCK_KEY "clock"
#define BELIEVE_FIRST_MS (60 * 60 * 1000)
#define BELIEVE_RATE 6

struct prune_job {
	struct core_job j;
	struct prune_cut cut;
	struct prune_done done;
	int64_t keep_audit;
	bool shrinks; /* the file is to become smaller still */
};

/* API keys that are past their end. */
static int
end_keys(struct store *s, int64_t now, struct err *e)
{
	char name[STORE_KEY_NAME_MAX];
	struct audit_note note = { "-", "apikey_ended", name, "" };
	int rc;

	while ((rc = store_key_end(s, now, name, e)) == 0) {
		if ((rc = audit_add(s, &note, now, e)) != 0)
			return (rc);
		log_info("apikey_ended name=%s", log_quote(name));
	}
	return (rc == ERR_NOTFOUND ? 0 : rc);
}

static int
prune_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct prune_job *p = (struct prune_job *)j;
	int64_t clock = p->cut.now * 1000;
	int rc;

	if ((rc = store_prune(s, clock, e)) != 0 ||
	    (rc = end_keys(s, clock, e)) != 0 ||
	    (rc = audit_prune(s, p->keep_audit, clock, e)) != 0 ||
	    (rc = store_meta_set(s, CLOCK_KEY, &clock, sizeof(clock), e)) !=
		0 ||
	    (rc = store_prune_step(s, &p->cut, &p->done, e)) != 0)
		return (rc);
	return (
	    p->done.more ? 0 : store_shrink(s, SHRINK_PAGES, &p->shrinks, e));
}

static void
count_all(struct core *c)
{
	c->status.actions_total = (uint64_t)store_actions_total(c->read);
	c->status.answers = (uint64_t)store_answers_total(c->read);
}

static void
prune_done(struct writer_job *j)
{
	struct prune_job *p = (struct prune_job *)j;
	struct core *c = p->j.c;
	struct server_status *s = &c->status;

	c->pruning = false;
	if (j->rc == 0) {
		s->pruned_answers += p->done.answers;
		s->pruned_actions += p->done.actions;
		if (c->store_over != p->done.over)
			c->last_watch = 0;
		c->store_over = p->done.over;
		if (p->done.answers + p->done.actions > 0)
			log_info("pruned answers=%llu actions=%llu",
			    (unsigned long long)p->done.answers,
			    (unsigned long long)p->done.actions);
		if (p->done.more || p->shrinks) /* go on with the next tick */
			c->last_prune = 0;
		else /* somebody may have pruned by hand */
			count_all(c);
	}
	free(p);
}

static void
load_clock(struct core *c)
{
	struct buf b;

	c->believed = clock_wall_ms();
	buf_init(&b, sizeof(c->believed));
	if (store_meta_get(c->read, CLOCK_KEY, &b, NULL) == 0 &&
	    b.len == sizeof(c->believed))
		memcpy(&c->believed, b.data, b.len);
	buf_release(&b);
	c->believed += BELIEVE_FIRST_MS;
	c->last_believed = c->started;
}

/* What is removed is gone: a wall clock that jumps far ahead is believed bit
 * by bit only, so that there is time to set it right. */
static int64_t
believe(struct core *c, int64_t now)
{
	int64_t wall = clock_wall_ms();

	c->believed += (now - c->last_believed) * BELIEVE_RATE;
	c->last_believed = now;
	if (c->believed >= wall)
		c->believed = wall;
	else if (now - c->said_clock > PRUNE_MS || c->said_clock == 0) {
		c->said_clock = now;
		log_warn("clock ahead_s=%lld doing=\"nothing is removed by it"
			 " yet: is the clock right?\"",
		    (long long)(wall - c->believed) / 1000);
	}
	return (c->believed);
}

static void
prune(struct core *c, int64_t now)
{
	const struct server_conf *conf = &c->role.conf;
	struct prune_job *p;

	c->last_prune = now;
	p = core_job_new(c, sizeof(*p), 0, prune_run, prune_done);
	if (p == NULL)
		return;
	p->cut.now = believe(c, now) / 1000;
	p->cut.results_before = p->cut.now - conf->keep_results;
	p->cut.actions_before = p->cut.now - conf->keep_actions;
	p->cut.bytes_max = conf->store_max;
	p->keep_audit = conf->keep_audit;
	c->pruning = true;
	writer_submit(c->writer, &p->j.j);
}

/* --- the disk ----------------------------------------------------------- */

static enum disk_state
judge_disk(const struct core *c, uint64_t avail)
{
	uint64_t reserve = c->role.conf.disk_reserve;

	if (reserve > 0 && avail < reserve / FULL_PART)
		return (DISK_FULL);
	/* Not back and forth at the edge. */
	if (c->disk != DISK_OK)
		reserve += reserve / 16;
	return (avail < reserve || c->store_over ? DISK_LOW : DISK_OK);
}

static uint64_t
file_size(const char *path)
{
	struct stat st;

	return (stat(path, &st) == 0 ? (uint64_t)st.st_size : 0);
}

static void
watch_disk(struct core *c)
{
	static const char *const texts[] = { "ok", "low", "full" };
	char path[SERVER_PATH_MAX], wal[SERVER_PATH_MAX + 8];
	struct server_status *s = &c->status;
	struct store_size size;
	enum disk_state was = c->disk;
	struct statvfs v;

	server_file(&c->role.conf, FILE_DB_DIR, path);
	if (statvfs(path, &v) == 0) {
		s->disk_free = (uint64_t)v.f_bavail * v.f_frsize;
		s->disk_size = (uint64_t)v.f_blocks * v.f_frsize;
		c->disk = judge_disk(c, s->disk_free);
	}
	if (store_size(c->read, &size, NULL) == 0) {
		s->store_bytes = size.bytes;
		s->store_unused = size.free;
	}
	server_file(&c->role.conf, FILE_DB, path);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	s->store_log = file_size(wal);
	s->disk_state = c->disk;
	if (was == c->disk)
		return;
	if (c->disk == DISK_OK)
		log_info("disk state=ok free=%llu",
		    (unsigned long long)s->disk_free);
	else
		log_error("disk state=%s free=%llu reserve=%llu store_over=%d",
		    texts[c->disk], (unsigned long long)s->disk_free,
		    (unsigned long long)c->role.conf.disk_reserve,
		    c->store_over);
}

void
upkeep_certificates(struct core *c)
{
	char path[SERVER_PATH_MAX];
	struct buf pem;
	int64_t end;

	buf_init(&pem, 8 * X509_PEM_MAX);
	server_file(&c->role.conf, FILE_RELAY_CERT, path);
	if (file_read_foreign(path, &pem, NULL) == 0 && buf_str(&pem) != NULL &&
	    x509_expires(buf_str(&pem), &end, NULL) == 0)
		c->status.relay_certificate_end = (uint64_t)end;
	buf_release(&pem);
	if (x509_expires(buf_str(&c->ca_pem), &end, NULL) == 0)
		c->status.ca_certificate_end = (uint64_t)end;
}

void
upkeep_start(struct core *c)
{
	struct server_status *s = &c->status;

	load_clock(c);
	count_all(c);
	s->answers_done = (uint64_t)store_answers_by(c->read, 1);
	s->answers_refused = (uint64_t)store_answers_by(c->read, 2);
	s->answers_stopped = (uint64_t)store_answers_by(c->read, 3);
	watch_disk(c);
	upkeep_certificates(c);
}

static bool
is_too_large(const struct core *c)
{
	uint64_t max = c->role.conf.store_max;

	return (
	    max > 0 && c->status.store_bytes - c->status.store_unused > max);
}

void
upkeep_tick(struct core *c, int64_t now)
{
	int64_t every = c->store_over ? PRUNE_OVER_MS : PRUNE_MS;

	if (now - c->last_watch > WATCH_MS) {
		c->last_watch = now;
		watch_disk(c);
	}
	if (!c->pruning &&
	    (c->last_prune == 0 || now - c->last_prune > every ||
		(!c->store_over && is_too_large(c))))
		prune(c, now);
}
