/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent report verify: is the own record whole? The hash chain shows a
 * changed, missing or inserted entry; it cannot show that the whole file was
 * written anew. So what the agent has signed before is held against it: every
 * answer that still lies in the spool names the position and the head that the
 * record had, and so may the caller, from an answer that an investigator has.
 */
#include "action/result.h"
#include "action/result_wire.h"
#include "agent/conf.h"
#include "agent/monitor/once.h"
#include "agent/store/small.h"
#include "agent/monitor/state.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "record/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARKS_MAX 200000
/* exit codes */
#define NOT_WHOLE 1
#define UNCHECKED 2
#define HEAD_LEN (RESULT_HEADER_LEN + IDENTITY_SIG_LEN)

/* Where the record stood once, as this agent signed it. */
struct mark {
	uint64_t position;
	struct id head;
	struct id action;
	int64_t time_ms;
	uint64_t entry; /* of a small answer: that says so, or 0 */
	bool given;     /* by the caller, not by an answer */
	bool seen;      /* the record has reached it */
	bool wrong;     /* and had another head there */
};

struct verify {
	struct mark *list; /* owned; by position */
	size_t n, cap, next;
	size_t unread;  /* blocks of small answers */
	size_t strange; /* answers that are not this agent's */
	uint64_t whole; /* entries read so far */
	bool checked;   /* whatever came out; else it could not be looked at */
	struct record_found found;
};

static int
mark_add(struct verify *v, const struct mark *m, struct err *e)
{
	size_t cap = v->cap == 0 ? 64 : v->cap * 2;
	struct mark *p;

	if (v->n >= MARKS_MAX)
		return err_set(
		    e, ERR_TOOBIG, "spool: more than %d answers", MARKS_MAX);
	if (v->n == v->cap) {
		p = reallocarray(v->list, cap, sizeof(*p));
		if (p == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		v->list = p;
		v->cap = cap;
	}
	v->list[v->n++] = *m;
	return 0;
}

/* "POSITION:HEAD" */
static int
mark_parse(const char *text, struct mark *ret, struct err *e)
{
	const char *colon = strchr(text, ':');
	struct mark m = { .given = true };
	char number[24];

	if (colon == NULL || (size_t)(colon - text) >= sizeof(number) ||
	    id_parse(colon + 1, &m.head) != 0)
		goto bad;
	memcpy(number, text, (size_t)(colon - text));
	number[colon - text] = '\0';
	if (str_u64(number, 0, UINT64_MAX, &m.position) != 0)
		goto bad;
	*ret = m;
	return 0;
bad:
	return err_set(e, ERR_INVALID,
	    "'%.100s' is not POSITION:HEAD (a number and 64 hex digits)", text);
}

struct marking {
	struct verify *v;
	const struct identity *who;
	struct err *e;
};

/* raw: the signed header of one answer in the spool; entry: see struct mark. */
static int
mark_header(
    const struct marking *m, const uint8_t *raw, size_t len, uint64_t entry)
{
	struct mark mark = { .entry = entry };
	struct result_header h;
	struct rd r;

	rd_init(&r, raw, RESULT_HEADER_LEN);
	if (len < HEAD_LEN || result_header_read(&r, &h, NULL) != 0 ||
	    !id_equal(&h.agent, &m->who->id) ||
	    identity_check(m->who->pub, PURPOSE_RESULT, raw, RESULT_HEADER_LEN,
		raw + RESULT_HEADER_LEN) != 0) {
		m->v->strange++;
		return 0;
	}
	mark.position = h.record_position;
	mark.head = h.record_head;
	mark.action = h.action;
	mark.time_ms = h.time_ms;
	return mark_add(m->v, &mark, m->e);
}

static int
mark_block(
    uint32_t block, const struct small_head *h, const uint8_t *data, void *arg)
{
	const struct marking *m = arg;

	if (h == NULL) {
		m->v->unread++;
		return 0;
	}
	return mark_header(m, data, h->len, h->position);
}

static int
mark_file(const struct marking *m, const char *path)
{
	uint8_t raw[HEAD_LEN];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return 0; /* acknowledged and removed in between */
	if (fd < 0 && errno == ELOOP) {
		m->v->strange++;
		return 0;
	}
	if (fd < 0)
		return err_errno(m->e, "%s", path);
	n = read(fd, raw, sizeof(raw));
	if (n < 0) {
		err_errno(m->e, "%s", path);
		close(fd);
		return m->e->code;
	}
	close(fd);
	return mark_header(m, raw, (size_t)n, 0);
}

static int
mark_spool(struct verify *v, const struct state *s, struct err *e)
{
	char dir[PATH_MAX], path[PATH_MAX + ID_HEX_LEN + 2];
	struct marking m = { v, &s->who, e };
	struct dirent *de;
	struct id id;
	DIR *d;
	int rc = 0;

	state_path(s, "spool", dir);
	d = opendir(dir);
	if (d == NULL && errno == ENOENT)
		return 0; /* nothing was answered yet */
	if (d == NULL)
		return err_errno(e, "%s", dir);
	while (rc == 0 && (de = readdir(d)) != NULL) {
		if (id_parse(de->d_name, &id) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, id_hex(&id).s);
		rc = mark_file(&m, path);
	}
	closedir(d);
	return rc != 0 ? rc : small_scan(dir, mark_block, &m, e);
}

static int
mark_order(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	return x->position < y->position ? -1 : x->position > y->position;
}

static void
on_chain(uint64_t position, const struct id *chain, void *arg)
{
	struct verify *v = arg;
	struct mark *m;

	v->whole = position;
	while (v->next < v->n && v->list[v->next].position <= position) {
		m = &v->list[v->next++];
		m->seen = true;
		m->wrong = !id_equal(&m->head, chain);
	}
}

/* The first mark that the record does not agree with, in words. */
static int
verify_marks(const struct verify *v, struct err *e)
{
	char when[RFC3339_LEN + 1];
	const struct mark *m;
	char who[128] = "what was given";
	bool unrecorded = false;
	size_t i;

	for (i = 0; i < v->n; i++) {
		m = &v->list[i];
		if (m->seen && !m->wrong)
			continue;
		/* a crash between its sync and the record's leaves one */
		if (!m->seen && m->entry > v->found.position && !unrecorded) {
			unrecorded = true;
			continue;
		}
		if (!m->given) {
			rfc3339_format(m->time_ms / 1000, when);
			snprintf(who, sizeof(who), "the answer to %s of %s",
			    id_short(&m->action).s, when);
		}
		if (!m->seen)
			return err_set(e, ERR_INVALID,
			    "%s was signed when the record had %" PRIu64
			    " entries, now it has %" PRIu64
			    ": entries were cut off, or the file was put back "
			    "or begun anew",
			    who, m->position, v->found.position);
		return err_set(e, ERR_INVALID,
		    "%s was signed when entry %" PRIu64
		    " was another: the record was written anew, or this one "
		    "is of another agent",
		    who, m->position);
	}
	return 0;
}

static void
print_json(const struct verify *v, int rc, const struct err *e)
{
	struct jsonw w;
	struct buf out;

	buf_init(&out, 65536);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	if (v->checked)
		jsonw_bool(&w, "whole", rc == 0);
	else
		jsonw_null(&w, "whole");
	jsonw_u64(&w, "entries", rc == 0 ? v->found.position : v->whole);
	if (rc == 0) {
		jsonw_str(&w, "head", id_hex(&v->found.head).s);
		jsonw_i64(&w, "created", v->found.created_ms);
		jsonw_bool(&w, "unfinished", v->found.torn);
	}
	jsonw_u64(&w, "marks", v->n);
	jsonw_u64(&w, "strange", v->strange);
	jsonw_u64(&w, "unread", v->unread);
	if (rc != 0)
		jsonw_str(&w, "trouble", e->msg);
	jsonw_object_end(&w);
	if (buf_str(&out) != NULL)
		puts(buf_str(&out));
	buf_release(&out);
}

static void
print_text(const struct verify *v, int rc, const struct err *e)
{
	char when[RFC3339_LEN + 1];

	if (rc != 0) {
		fprintf(stderr, "mig-agent: the record %s: %s\n",
		    v->checked ? "is not whole" : "could not be checked",
		    e->msg);
		return;
	}
	rfc3339_format(v->found.created_ms / 1000, when);
	printf("whole: %" PRIu64 " entries since %s\nhead: %" PRIu64 ":%s\n",
	    v->found.position, when, v->found.position,
	    id_hex(&v->found.head).s);
	printf("agrees with %zu signed %s\n", v->n,
	    v->n == 1 ? "statement" : "statements");
	if (v->found.torn)
		printf("the last entry is unfinished: it is being written, or "
		       "a crash left it\n");
	if (v->strange > 0)
		printf("%zu files in the spool are no answers of this agent\n",
		    v->strange);
	if (v->unread > 0)
		printf(
		    "%zu blocks of small answers cannot be read: unchecked\n",
		    v->unread);
}

static int
verify_record(struct verify *v, const struct agent_conf *c, const char *mark,
    struct err *e)
{
	struct state s = { .lock = -1 };
	char path[PATH_MAX];
	struct mark given;
	bool running;
	int rc;

	rc = state_look(c->state, &s, &running, e);
	if (rc == 0)
		rc = state_identity(&s, e);
	if (rc == 0)
		rc = mark_spool(v, &s, e);
	if (rc == 0 && mark != NULL && (rc = mark_parse(mark, &given, e)) == 0)
		rc = mark_add(v, &given, e);
	if (rc != 0)
		goto out;
	if (v->n > 0)
		qsort(v->list, v->n, sizeof(*v->list), mark_order);
	state_path(&s, "record", path);
	rc = record_verify(path, NULL, on_chain, v, &v->found, e);
	/* one that is gone, while answers are there that knew it */
	v->checked =
	    rc == 0 || rc == ERR_INVALID || (rc == ERR_NOTFOUND && v->n > 0);
	if (rc == 0)
		rc = verify_marks(v, e);
	else if (rc == ERR_INVALID && v->whole > 0)
		err_wrap(e, "whole up to entry %" PRIu64, v->whole);
out:
	state_close(&s);
	return rc;
}

int
report_verify_main(const char *conf_path, const char *mark, bool json)
{
	struct verify v = { 0 };
	struct agent_conf c;
	struct err e;
	int rc;

	memset(&c, 0, sizeof(c));
	err_clear(&e);
	rc = agent_conf_load(conf_path, &c, &e);
	if (rc != 0) {
		fprintf(stderr, "mig-agent: %s\n", e.msg);
		return UNCHECKED;
	}
	rc = verify_record(&v, &c, mark, &e);
	if (json)
		print_json(&v, rc, &e);
	else
		print_text(&v, rc, &e);
	free(v.list);
	agent_conf_release(&c);
	/* else what main would return is another answer */
	if (rc == 0)
		return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0
								  : UNCHECKED;
	return v.checked ? NOT_WHOLE : UNCHECKED;
}
