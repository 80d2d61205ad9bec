/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: the key of an action, handed on by one person to another. The server
 * cannot read it and is not asked whether it is the right one; it takes care
 * that only the person who is logged in says so, and that it stays little.
 */
#include "server/core/shares.h"

#include "server/core/core.h"
#include "server/core/notes.h"

#include "action/envelope.h"
#include "action/share.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "server/audit.h"
#include "server/store/shares.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_SECONDS 86400 /* between signing and storing */
#define EARLY_SECONDS 300

struct share_job {
	struct core_job j;
	bool remove;
	struct id action;
	char by[STORE_FPR_HEX + 1], reader[STORE_FPR_HEX + 1];
	int64_t now, removed;
	size_t len;
	uint8_t envelope[];
};

static int
share_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct share_job *x = (struct share_job *)j;
	struct id_hex id = id_hex(&x->action);
	char detail[AUDIT_DETAIL_MAX];
	struct audit_note note = { x->by,
		x->remove ? "shares_removed" : "key_shared", id.s, detail };
	struct store_share share = { .by = x->by,
		.reader = x->reader,
		.created = x->now,
		.envelope = x->envelope,
		.envelope_len = x->len };
	int rc;

	if (x->remove) {
		rc = store_shares_remove(s, &x->action, x->by, &x->removed, e);
		snprintf(detail, sizeof(detail), "%lld of them",
		    (long long)x->removed);
	} else {
		rc = store_share_put(s, &x->action, &share, e);
		snprintf(detail, sizeof(detail), "to %s", x->reader);
	}
	return (rc != 0 ? rc : audit_add(s, &note, x->now, e));
}

static void
share_done(struct writer_job *j)
{
	struct share_job *x = (struct share_job *)j;
	struct jsonw w;
	struct buf out;

	if (j->rc != 0) {
		core_refuse_err(x->j.c, x->j.request, &j->err);
		free(x);
		return;
	}
	log_info("%s action=%s by=%s reader=%s n=%lld",
	    x->remove ? "shares_removed" : "shared", id_short(&x->action).s,
	    x->by, x->remove ? "-" : x->reader,
	    x->remove ? (long long)x->removed : 1LL);
	buf_init(&out, 256);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	if (x->remove)
		jsonw_i64(&w, "removed", x->removed);
	jsonw_object_end(&w);
	core_reply(x->j.c, x->j.request, x->remove ? 200 : 201, &out);
	buf_release(&out);
	free(x);
}

static struct share_job *
share_job_new(struct core *c, uint32_t request, const struct id *action,
    const struct store_caller *s, size_t len)
{
	struct share_job *x;

	x = core_job_new(c, sizeof(*x) + len, request, share_run, share_done);
	if (x == NULL) {
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return (NULL);
	}
	x->action = *action;
	memcpy(x->by, s->fpr, sizeof(x->by));
	x->now = clock_wall_ms();
	x->len = len;
	return (x);
}

/* Signed once, by the person who is logged in, a moment ago. */
static int
check_share(struct core *c, const struct envelope *env,
    const struct share *share, const struct store_caller *s, struct err *e)
{
	const struct keyring *k = core_keyring(c, e);
	int64_t now = clock_wall_ms() / 1000;
	char fpr[STORE_FPR_HEX + 1];
	struct signer signer;

	if (k == NULL)
		return (e->code);
	if (env->nsigs != 1)
		return (err_set(e, ERR_INVALID,
		    "share: expected one signature, not %zu", env->nsigs));
	keyring_verify(k, PURPOSE_SHARE, env->doc, env->doc_len, env->sigs, 1,
	    now, &signer);
	if (signer.verdict != SIG_GOOD)
		return (err_set(e, ERR_AUTH, "share: the signature: %s",
		    sig_verdict_text(signer.verdict)));
	hex_encode(signer.person, PGP_FPR_LEN, fpr);
	if (strcmp(fpr, s->fpr) != 0)
		return (err_set(
		    e, ERR_DENIED, "share: its signer is not logged in"));
	if (share->time_s > now + EARLY_SECONDS ||
	    share->time_s < now - LATE_SECONDS)
		return (err_set(e, ERR_EXPIRED,
		    "share: time: it was not signed now (is the clock "
		    "right?)"));
	return (0);
}

void
share_request(struct core *c, uint32_t request, struct rd *rd)
{
	struct store_caller s;
	const uint8_t *bytes;
	struct share_job *x;
	struct envelope env;
	struct share share;
	struct id token, action;
	struct err e;
	size_t len;
	int rc;

	rd_copy(rd, token.b, ID_LEN);
	rd_copy(rd, action.b, ID_LEN);
	bytes = rd_field(rd, SHARE_ENVELOPE_MAX, &len);
	if (rd->bad || !core_caller(c, request, &token, CALL_SHARES, &s))
		return;
	err_clear(&e);
	if ((rc = envelope_parse(bytes, len, &env, &e)) != 0 ||
	    (rc = share_parse(env.doc, env.doc_len, &share, &e)) != 0) {
		core_refuse_err(c, request, &e);
		return;
	}
	rc = check_share(c, &env, &share, &s, &e);
	if (rc == 0 && !id_equal(&share.action, &action))
		rc = err_set(
		    &e, ERR_INVALID, "share: action: it is of another action");
	if (rc != 0) {
		log_warn("share_refused by=%s why=%s", s.fpr, log_quote(e.msg));
		core_refuse_err(c, request, &e);
	} else if (core_may_note(c, request, s.fpr) &&
	    (x = share_job_new(c, request, &action, &s, len)) != NULL) {
		memcpy(x->reader, share.to, sizeof(x->reader));
		memcpy(x->envelope, bytes, len);
		writer_submit(c->writer, &x->j.j);
	}
	share_release(&share);
}

void
share_remove_request(struct core *c, uint32_t request, struct rd *rd)
{
	struct store_caller s;
	struct share_job *x;
	struct id token, action;

	rd_copy(rd, token.b, ID_LEN);
	rd_copy(rd, action.b, ID_LEN);
	if (rd->bad || !core_caller(c, request, &token, CALL_SHARES, &s) ||
	    !core_may_note(c, request, s.fpr) ||
	    (x = share_job_new(c, request, &action, &s, 0)) == NULL)
		return;
	x->remove = true;
	writer_submit(c->writer, &x->j.j);
}
