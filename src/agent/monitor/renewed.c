/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/renewed.h"

#include "agent/monitor/monitor.h"
#include "agent/monitor/state.h"
#include "agent/net/handed.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/sha256.h"
#include "proc/proc.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX 65536
#define ASKED_MAX (2 * TEXT_MAX)

void
renewed_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

void
renewed_init(
    struct renewed *r, struct agent *a, void (*on_bad)(void *arg), void *arg)
{
	memset(r, 0, sizeof(*r));
	r->a = a;
	r->looks = -1;
	r->on_bad = on_bad;
	r->arg = arg;
	buf_init(&r->text, TEXT_MAX);
	buf_init(&r->asked, ASKED_MAX);
}

static void
forget(struct buf *b, size_t max)
{
	renewed_wipe(b);
	buf_init(b, max);
}

void
renewed_release(struct renewed *r)
{
	if (r->looks > 0) {
		proc_loop_unwatch(r->a->loop, r->looks);
		kill(r->looks, SIGKILL);
	}
	renewed_wipe(&r->text);
	renewed_wipe(&r->asked);
}

/* --- looking ------------------------------------------------------------- */

/* It is what it should be. */
static void
accept_it(struct renewed *r)
{
	const uint8_t *data = r->asked.data + r->at;
	size_t len = r->asked.len - r->at;
	struct id sum;

	forget(&r->text, TEXT_MAX);
	sha256(data, len, &sum);
	buf_add(&r->text, data, len);
	buf_add(&r->text, sum.b, ID_LEN);
	if (r->text.error != 0) {
		log_error("renewed why=%s", log_quote(err_text(r->text.error)));
		forget(&r->text, TEXT_MAX);
	}
}

static void
on_looked(pid_t pid, int status, void *arg)
{
	struct renewed *r = arg;
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == HANDED_GOOD;
	bool bad = WIFEXITED(status) && WEXITSTATUS(status) == HANDED_BAD;

	r->looks = -1;
	if (good)
		accept_it(r);
	else
		log_error("renewed why=%s effect=%s",
		    log_quote(bad ? "what net handed over is not the next "
				    "certificate of this agent"
				  : proc_status_text(status)),
		    log_quote(bad ? "the one before stays, and net is started "
				    "anew to ask for another"
				  : "looked at again later"));
	if (good || bad)
		forget(&r->asked, ASKED_MAX);
	if (good)
		renewed_keep(r);
	else if (bad)
		r->on_bad(r->arg);
}

static int
spawn(struct renewed *r, int fd, struct err *e)
{
	static char mode[] = "--handed";
	char path[PATH_MAX];
	char *argv[] = { path, mode, NULL };
	struct proc_fd fds[] = { { fd, PROC_IPC_FD } };
	struct proc_spawn s = { .path = path,
		.exec_fd = -1,
		.argv = argv,
		.fds = fds,
		.nfds = 1,
		.keep_stderr = true,
		.own_group = true };
	int rc = proc_sibling("mig-agent-net", path, sizeof(path), e);

	if (rc == 0)
		rc = proc_spawn(&s, &r->looks, e);
	if (rc != 0)
		return rc;
	rc = proc_loop_watch(r->a->loop, r->looks, on_looked, r);
	if (rc != 0) {
		/* nobody would say that it has gone */
		kill(r->looks, SIGKILL);
		(void)waitpid(r->looks, NULL, 0);
		r->looks = -1;
		err_set(e, rc, "%s", err_text(rc));
	}
	return rc;
}

static void
look(struct renewed *r)
{
	struct err e;
	int fd;

	err_clear(&e);
	fd = fd_sealed("mig-handed", r->asked.data, r->asked.len, &e);
	if (fd < 0 || spawn(r, fd, &e) != 0) {
		log_error("renewed why=%s effect=%s", log_quote(e.msg),
		    log_quote("looked at again later"));
		r->looks = -1;
	}
	if (fd >= 0)
		close(fd);
}

void
renewed_take(
    struct renewed *r, const struct buf *in_force, const struct rd *body)
{
	/* a net that hands over one after the other is not honest */
	if (r->looks > 0)
		return;
	forget(&r->asked, ASKED_MAX);
	buf_add_u32(&r->asked, r->a->uid);
	buf_add_u32(&r->asked, r->a->gid);
	buf_add(&r->asked, r->a->state.who.id.b, ID_LEN);
	buf_add(&r->asked, in_force->data, in_force->len);
	r->at = r->asked.len;
	buf_add(&r->asked, body->p, body->left);
	if (r->asked.error == 0) {
		look(r);
		return;
	}
	log_error("renewed why=%s", log_quote(err_text(r->asked.error)));
	forget(&r->asked, ASKED_MAX);
}

/* --- keeping ------------------------------------------------------------- */

/* One file, renamed into place: the old or the new, whatever happens. */
void
renewed_keep(struct renewed *r)
{
	struct err e;

	if (r->asked.len > 0 && r->looks < 0)
		look(r);
	if (r->text.len == 0)
		return;
	err_clear(&e);
	if (state_write(&r->a->state, STATE_RENEWED, r->text.data, r->text.len,
		&e) != 0) {
		log_error("renewed why=%s effect=%s", log_quote(e.msg),
		    log_quote("kept in memory, and written later"));
		return;
	}
	log_info("renewed");
	forget(&r->text, TEXT_MAX);
}

static bool
is_whole(const struct buf *b)
{
	struct id sum;

	if (b->len <= ID_LEN)
		return false;
	sha256(b->data, b->len - ID_LEN, &sum);
	return memcmp(sum.b, b->data + b->len - ID_LEN, ID_LEN) == 0;
}

bool
renewed_add(const struct renewed *r, const struct state *s, struct buf *out)
{
	struct buf b;
	struct err e;
	bool there, ok;

	if (r->text.len > 0) {
		buf_add(out, r->text.data, r->text.len - ID_LEN);
		return true;
	}
	err_clear(&e);
	buf_init(&b, TEXT_MAX);
	there = state_read(s, STATE_RENEWED, &b, &e) == 0;
	if (!there && e.code != ERR_NOTFOUND)
		log_error("renewed why=%s", log_quote(e.msg));
	ok = there && is_whole(&b);
	if (ok)
		buf_add(out, b.data, b.len - ID_LEN);
	else if (there)
		log_error("renewed why=%s",
		    log_quote(STATE_RENEWED " is damaged: the certificate of"
					    " the enrolment is used"));
	renewed_wipe(&b);
	return ok;
}
