/* SPDX-License-Identifier: MPL-2.0 */
/* Core: enrolment tokens: made here, or by a client that says their digest
 * only (crypto/enroltoken.h); ended. */
#include "server/core/core.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "server/audit.h"
#include "server/cmd/enrolcmd.h"
#include "server/store/policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_JSON_MAX 65536
#define TOKEN_SECONDS_MAX (366 * 86400)
#define TOKEN_USES_MAX 1000000

struct token_job {
	struct core_job j;
	struct id hash;
	char token[TOKEN_HEX_LEN + 1];
	char by[STORE_FPR_HEX + 1];
	int64_t uses, now, expires;
};

static int
token_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct token_job *x = (struct token_job *)j;
	char detail[AUDIT_DETAIL_MAX];
	struct id_hex hash = id_hex(&x->hash);
	struct audit_note n = { x->by, "token_made", hash.s, detail };
	int rc;

	rc = store_token_put(s, &x->hash, x->uses, x->now, x->expires, e);
	if (rc != 0)
		return (rc);
	snprintf(detail, sizeof(detail), "%lld uses, %lld s",
	    (long long)x->uses, (long long)(x->expires - x->now) / 1000);
	return (audit_add(s, &n, x->now, e));
}

static void
token_done(struct writer_job *j)
{
	struct token_job *x = (struct token_job *)j;
	struct core *c = x->j.c;
	struct buf out, command;
	struct id policy;
	struct jsonw w;
	bool has;

	if (j->rc != 0) {
		core_refuse_err(c, x->j.request, &j->err);
		goto out;
	}
	log_info("token_new by=%s uses=%lld", x->by, (long long)x->uses);
	has = store_policy_get(c->read, NULL, &policy, NULL, NULL) == 0;
	buf_init(&out, REPLY_JSON_MAX);
	buf_init(&command, REPLY_JSON_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "sha256", id_hex(&x->hash).s);
	jsonw_time(&w, "expires", x->expires);
	jsonw_str(&w, "ca", id_hex(&c->ca_fprs[0]).s);
	if (has)
		jsonw_str(&w, "policy", id_hex(&policy).s);
	else
		jsonw_null(&w, "policy");
	/* a client that made the token makes the command as well */
	if (x->token[0] != '\0') {
		jsonw_str(&w, "token", x->token);
		enrol_command(&c->role.conf, &c->ca_fprs[0], x->token,
		    has ? &policy : NULL, &command);
		jsonw_strn(&w, "command", command.data, command.len);
	}
	jsonw_object_end(&w);
	core_reply(c, x->j.request, 201, &out);
	explicit_bzero(out.data, out.len);
	if (command.len > 0)
		explicit_bzero(command.data, command.len);
	buf_release(&out);
	buf_release(&command);
out:
	explicit_bzero(x->token, sizeof(x->token));
	free(x);
}

void
tokens_new(struct core *c, uint32_t request, struct rd *rd)
{
	uint64_t uses, seconds;
	struct store_caller s;
	struct token_job *x;
	struct id token, hash;

	rd_copy(rd, token.b, ID_LEN);
	uses = rd_u64(rd);
	seconds = rd_u64(rd);
	rd_copy(rd, hash.b, ID_LEN);
	if (rd->bad || !core_caller(c, request, &token, CALL_TOKENS, &s))
		return;
	if (uses < 1 || uses > TOKEN_USES_MAX || seconds < 1 ||
	    seconds > TOKEN_SECONDS_MAX) {
		core_refuse(c, request, 400, "invalid",
		    "uses: 1 to %d; seconds: 1 to %d", TOKEN_USES_MAX,
		    TOKEN_SECONDS_MAX);
		return;
	}
	x = core_job_new(c, sizeof(*x), request, token_run, token_done);
	if (x != NULL)
		x->hash = hash;
	if (x == NULL ||
	    (id_is_zero(&hash) && token_new(x->token, &x->hash, NULL) != 0)) {
		free(x);
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return;
	}
	memcpy(x->by, s.fpr, sizeof(x->by));
	x->uses = (int64_t)uses;
	x->now = clock_wall_ms();
	x->expires = x->now + (int64_t)seconds * 1000;
	writer_submit(c->writer, &x->j.j);
}

/* --- ending one ---------------------------------------------------------- */

struct token_end {
	struct core_job j;
	char prefix[ID_HEX_LEN + 1];
	char by[STORE_FPR_HEX + 1];
	struct id hash; /* that begins so */
};

static int
end_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct token_end *x = (struct token_end *)j;
	struct audit_note n = { x->by, "token_revoked", NULL, "" };
	struct id_hex hash;
	int rc;

	if ((rc = store_token_remove(s, x->prefix, &x->hash, e)) != 0)
		return (rc);
	hash = id_hex(&x->hash);
	n.object = hash.s;
	return (audit_add(s, &n, clock_wall_ms(), e));
}

static void
end_done(struct writer_job *j)
{
	struct token_end *x = (struct token_end *)j;

	if (j->rc != 0) {
		core_refuse_err(x->j.c, x->j.request, &j->err);
	} else {
		log_info("token_revoked by=%s token=%s", x->by,
		    id_short(&x->hash).s);
		core_reply_done(x->j.c, x->j.request, 200);
	}
	free(x);
}

void
tokens_remove(struct core *c, uint32_t request, struct rd *rd)
{
	char prefix[ID_HEX_LEN + 1];
	struct store_caller s;
	struct token_end *x;
	struct id token;

	rd_copy(rd, token.b, ID_LEN);
	rd_field_str(rd, prefix, sizeof(prefix));
	if (rd->bad || !core_caller(c, request, &token, CALL_TOKENS, &s))
		return;
	x = core_job_new(c, sizeof(*x), request, end_run, end_done);
	if (x == NULL) {
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return;
	}
	memcpy(x->prefix, prefix, sizeof(prefix));
	memcpy(x->by, s.fpr, sizeof(x->by));
	writer_submit(c->writer, &x->j.j);
}
