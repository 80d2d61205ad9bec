/* SPDX-License-Identifier: MPL-2.0 */
/* Core: investigators, the ends of sessions, API keys. */
#include "server/core/core.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "server/audit.h"
#include "server/investigators.h"
#include "server/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct keyring *
core_keyring(struct core *c, struct err *e)
{
	int64_t revision = store_investigators_revision(c->read);
	struct keyring k;

	if (revision == c->keyring_revision && revision != 0)
		return (&c->keyring);
	if (investigators_keyring(c->read, &k, e) != 0)
		return (NULL);
	keyring_release(&c->keyring);
	c->keyring = k;
	c->keyring_revision = revision;
	log_info("investigators persons=%zu keys=%zu", k.npersons, k.nkeys);
	return (&c->keyring);
}

/* --- changes that answer {} ----------------------------------------------
 *
 * Each is one job of the writer; what it is told by the api is copied into it.
 */

struct people_job;

struct people_op {
	const char *word; /* in the log */
	int status;       /* of the reply */
	int (*run)(struct store *s, struct people_job *x, struct err *e);
};

struct people_job {
	struct core_job j;
	const struct people_op *op;
	struct id hash;              /* of a session or an API key */
	char fpr[STORE_FPR_HEX + 1]; /* whom it is about */
	char name[STORE_NAME_MAX];
	enum person_role role;
	uint64_t calls;
	int64_t now, expires;
	char by[STORE_FPR_HEX + 1];
	size_t len;
	char text[]; /* keyring */
};

static int
note(struct store *s, const struct people_job *x, const char *object,
    const char *detail, struct err *e)
{
	struct audit_note n = { x->by, x->op->word, object, detail };

	return (audit_add(s, &n, x->now, e));
}

static int
run_session_end(struct store *s, struct people_job *x, struct err *e)
{
	int rc = store_session_end(s, &x->hash, e);

	return (rc != 0 ? rc : note(s, x, id_short(&x->hash).s, x->fpr, e));
}

static int
run_sessions_end(struct store *s, struct people_job *x, struct err *e)
{
	char detail[AUDIT_DETAIL_MAX];
	int64_t n;
	int rc;

	if ((rc = store_sessions_end(s, x->fpr, &n, e)) != 0)
		return (rc);
	snprintf(detail, sizeof(detail), "%lld of them", (long long)n);
	return (note(s, x, x->fpr, detail, e));
}

static int
run_put(struct store *s, struct people_job *x, struct err *e)
{
	struct investigators_add a = { .text = x->text,
		.len = x->len,
		.fpr = x->fpr,
		.name = x->name,
		.role = x->role,
		.now = x->now,
		.who = x->by };
	size_t n;

	return (investigators_add(s, &a, &n, e));
}

static int
run_role(struct store *s, struct people_job *x, struct err *e)
{
	return (investigators_role(s, x->fpr, x->role, x->by, e));
}

static int
run_remove(struct store *s, struct people_job *x, struct err *e)
{
	return (investigators_remove(s, x->fpr, x->by, e));
}

static int
run_key_put(struct store *s, struct people_job *x, struct err *e)
{
	struct store_key k = { .hash = x->hash,
		.name = x->name,
		.calls = x->calls,
		.created = x->now,
		.expires = x->expires,
		.by = x->by };
	char calls[CALLS_TEXT_MAX], end[RFC3339_LEN + 1];
	char detail[AUDIT_DETAIL_MAX];
	int rc;

	if ((rc = store_key_put(s, &k, x->now, e)) != 0)
		return (rc);
	calls_text(x->calls, calls);
	rfc3339_format(x->expires / 1000, end);
	snprintf(detail, sizeof(detail), "for %s until %s", calls, end);
	return (note(s, x, x->name, detail, e));
}

static int
run_key_remove(struct store *s, struct people_job *x, struct err *e)
{
	int rc = store_key_remove(s, x->name, e);

	return (rc != 0 ? rc : note(s, x, x->name, "", e));
}

static const struct people_op op_logout = { "logout", 200, run_session_end };
static const struct people_op op_session_revoke = { "session_revoked", 200,
	run_session_end };
static const struct people_op op_sessions_revoke = { "sessions_revoked", 200,
	run_sessions_end };
static const struct people_op op_put = { "investigator_put", 201, run_put };
static const struct people_op op_role = { "investigator_role", 200, run_role };
static const struct people_op op_remove = { "investigator_removed", 200,
	run_remove };
static const struct people_op op_key_put = { "apikey_made", 201, run_key_put };
static const struct people_op op_key_remove = { "apikey_revoked", 200,
	run_key_remove };

static int
people_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct people_job *x = (struct people_job *)j;

	return (x->op->run(s, x, e));
}

static void
people_done(struct writer_job *j)
{
	struct people_job *x = (struct people_job *)j;

	if (j->rc != 0) {
		core_refuse_err(x->j.c, x->j.request, &j->err);
	} else {
		log_info("%s by=%s who=%s role=%s name=%s", x->op->word, x->by,
		    x->fpr[0] != '\0' ? x->fpr : "-",
		    x->role != 0 ? person_role_text(x->role) : "-",
		    log_quote(x->name));
		/* Streams of who may not read them any more end now. */
		core_wake(x->j.c);
		core_reply_done(x->j.c, x->j.request, x->op->status);
	}
	free(x);
}

static struct people_job *
people_job_new(struct core *c, uint32_t request, const struct people_op *op,
    const struct store_caller *by, size_t len)
{
	struct people_job *x;

	x = core_job_new(
	    c, sizeof(*x) + len + 1, request, people_run, people_done);
	if (x == NULL) {
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return (NULL);
	}
	x->op = op;
	x->now = clock_wall_ms();
	memcpy(x->by, by->fpr, sizeof(x->by));
	return (x);
}

void
people_session_end(struct core *c, uint32_t request, struct rd *rd)
{
	struct store_caller s;
	struct people_job *x;
	struct id token;

	rd_copy(rd, token.b, ID_LEN);
	if (rd->bad || !core_caller(c, request, &token, CALL_OWN_SESSION, &s) ||
	    (x = people_job_new(c, request, &op_logout, &s, 0)) == NULL)
		return;
	x->hash = token;
	writer_submit(c->writer, &x->j.j);
}

/* One's own needs no more than to be logged in. */
static bool
may_end(struct core *c, uint32_t request, const struct store_caller *by,
    const char *fpr)
{
	char why[CALL_WHY_MAX];

	if (strcmp(by->fpr, fpr) == 0 ||
	    call_allowed(CALL_SESSIONS, by->role, by->calls))
		return (true);
	call_why_not(CALL_SESSIONS, by->role, why);
	core_refuse(c, request, 403, "not_allowed", "%s", why);
	return (false);
}

void
people_session_revoke(struct core *c, uint32_t request, struct rd *rd)
{
	char prefix[ID_HEX_LEN + 1], fpr[STORE_FPR_HEX + 1];
	struct store_caller s;
	struct people_job *x;
	struct id token, hash;
	struct err e;

	rd_copy(rd, token.b, ID_LEN);
	rd_field_str(rd, prefix, sizeof(prefix));
	if (rd->bad || !core_caller(c, request, &token, CALL_OWN_SESSION, &s))
		return;
	if (store_session_find(c->read, prefix, &hash, fpr, &e) != 0) {
		core_refuse_err(c, request, &e);
		return;
	}
	if (!may_end(c, request, &s, fpr) ||
	    (x = people_job_new(c, request, &op_session_revoke, &s, 0)) == NULL)
		return;
	x->hash = hash;
	memcpy(x->fpr, fpr, sizeof(fpr));
	writer_submit(c->writer, &x->j.j);
}

void
people_sessions_revoke(struct core *c, uint32_t request, struct rd *rd)
{
	char fpr[STORE_FPR_HEX + 1];
	uint8_t raw[STORE_FPR_HEX / 2];
	struct store_caller s;
	struct people_job *x;
	struct id token;

	rd_copy(rd, token.b, ID_LEN);
	rd_field_str(rd, fpr, sizeof(fpr));
	if (hex_decode(fpr, raw, sizeof(raw)) != 0)
		rd->bad = true;
	else
		hex_encode(raw, sizeof(raw), fpr); /* lower case */
	if (rd->bad || !core_caller(c, request, &token, CALL_OWN_SESSION, &s) ||
	    !may_end(c, request, &s, fpr) ||
	    (x = people_job_new(c, request, &op_sessions_revoke, &s, 0)) ==
		NULL)
		return;
	memcpy(x->fpr, fpr, sizeof(fpr));
	writer_submit(c->writer, &x->j.j);
}

void
people_put(struct core *c, uint32_t request, struct rd *rd)
{
	char fpr[STORE_FPR_HEX + 1], name[STORE_NAME_MAX];
	struct store_caller s;
	struct people_job *x;
	const uint8_t *text;
	struct id token;
	uint8_t role;
	size_t len;

	rd_copy(rd, token.b, ID_LEN);
	role = rd_u8(rd);
	rd_field_str(rd, fpr, sizeof(fpr));
	rd_field_str(rd, name, sizeof(name));
	text = rd_field(rd, KEYRING_TEXT_MAX, &len);
	if (role > PERSON_ADMIN)
		rd->bad = true;
	if (rd->bad ||
	    !core_caller(c, request, &token, CALL_PEOPLE_CHANGE, &s) ||
	    (x = people_job_new(c, request, &op_put, &s, len)) == NULL)
		return;
	memcpy(x->fpr, fpr, sizeof(fpr));
	memcpy(x->name, name, sizeof(name));
	memcpy(x->text, text, len);
	x->len = len;
	x->role = role;
	writer_submit(c->writer, &x->j.j);
}

void
people_role(struct core *c, uint32_t request, struct rd *rd)
{
	char fpr[STORE_FPR_HEX + 1];
	struct store_caller s;
	struct people_job *x;
	struct id token;
	uint8_t role;

	rd_copy(rd, token.b, ID_LEN);
	role = rd_u8(rd);
	rd_field_str(rd, fpr, sizeof(fpr));
	if (role < PERSON_READER || role > PERSON_ADMIN)
		rd->bad = true;
	if (rd->bad ||
	    !core_caller(c, request, &token, CALL_PEOPLE_CHANGE, &s) ||
	    (x = people_job_new(c, request, &op_role, &s, 0)) == NULL)
		return;
	memcpy(x->fpr, fpr, sizeof(fpr));
	x->role = role;
	writer_submit(c->writer, &x->j.j);
}

void
people_remove(struct core *c, uint32_t request, struct rd *rd)
{
	char fpr[STORE_FPR_HEX + 1];
	struct store_caller s;
	struct people_job *x;
	struct id token;

	rd_copy(rd, token.b, ID_LEN);
	rd_field_str(rd, fpr, sizeof(fpr));
	if (rd->bad ||
	    !core_caller(c, request, &token, CALL_PEOPLE_CHANGE, &s) ||
	    (x = people_job_new(c, request, &op_remove, &s, 0)) == NULL)
		return;
	memcpy(x->fpr, fpr, sizeof(fpr));
	writer_submit(c->writer, &x->j.j);
}

void
people_key_put(struct core *c, uint32_t request, struct rd *rd)
{
	char name[STORE_KEY_NAME_MAX];
	struct store_caller s;
	struct people_job *x;
	struct id token, hash;
	uint64_t calls, seconds;

	rd_copy(rd, token.b, ID_LEN);
	rd_copy(rd, hash.b, ID_LEN);
	calls = rd_u64(rd);
	seconds = rd_u64(rd);
	rd_field_str(rd, name, sizeof(name));
	if (!key_name_valid(name) || seconds > KEY_SECONDS_MAX)
		rd->bad = true;
	if (rd->bad || !core_caller(c, request, &token, CALL_KEYS, &s) ||
	    (x = people_job_new(c, request, &op_key_put, &s, 0)) == NULL)
		return;
	x->hash = hash;
	x->calls = calls;
	x->expires = x->now + (int64_t)seconds * 1000;
	memcpy(x->name, name, sizeof(name));
	writer_submit(c->writer, &x->j.j);
}

void
people_key_remove(struct core *c, uint32_t request, struct rd *rd)
{
	char name[STORE_KEY_NAME_MAX];
	struct store_caller s;
	struct people_job *x;
	struct id token;

	rd_copy(rd, token.b, ID_LEN);
	rd_field_str(rd, name, sizeof(name));
	if (rd->bad || !core_caller(c, request, &token, CALL_KEYS, &s) ||
	    (x = people_job_new(c, request, &op_key_remove, &s, 0)) == NULL)
		return;
	memcpy(x->name, name, sizeof(name));
	writer_submit(c->writer, &x->j.j);
}
