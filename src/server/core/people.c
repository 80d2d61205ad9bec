/* SPDX-License-Identifier: MPL-2.0 */
/* Core: investigators, the end of a session, enrolment tokens. */
#include "server/core/core.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "server/enrolcmd.h"
#include "server/investigators.h"

#include <stdlib.h>
#include <string.h>

#define REPLY_JSON_MAX 65536
#define TOKEN_SECONDS_MAX (366 * 86400)
#define TOKEN_USES_MAX 1000000

void
core_add_time(struct jsonw *w, const char *key, int64_t ms)
{
	char text[RFC3339_LEN + 1];

	rfc3339_format(ms / 1000, text);
	jsonw_str(w, key, text);
}

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

/* --- jobs that answer {} ------------------------------------------------ */

enum people_what { SESSION_END, PERSON_PUT, PERSON_REMOVE };

struct people_job {
	struct core_job j;
	enum people_what what;
	struct id token;
	char fpr[STORE_FPR_HEX + 1], name[STORE_NAME_MAX];
	bool admin;
	int64_t now;
	char by[STORE_FPR_HEX + 1];
	size_t len;
	char text[]; /* keyring */
};

static int
people_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct people_job *x = (struct people_job *)j;
	struct investigators_add a;
	size_t n;

	switch (x->what) {
	case SESSION_END:
		return (store_session_end(s, &x->token, e));
	case PERSON_REMOVE:
		return (investigators_remove(s, x->fpr, e));
	default:
		a.text = x->text;
		a.len = x->len;
		a.fpr = x->fpr;
		a.name = x->name;
		a.admin = x->admin;
		a.now = x->now;
		return (investigators_add(s, &a, &n, e));
	}
}

static void
people_done(struct writer_job *j)
{
	static const char *const words[] = { "logout", "investigator_put",
		"investigator_removed" };
	struct people_job *x = (struct people_job *)j;
	struct buf out;

	if (j->rc != 0) {
		core_refuse_err(x->j.c, x->j.request, &j->err);
	} else {
		log_info("%s by=%s who=%s admin=%d", words[x->what], x->by,
		    x->fpr[0] != '\0' ? x->fpr : "-", x->admin);
		buf_init(&out, 16);
		buf_add_str(&out, "{}");
		core_reply(x->j.c, x->j.request,
		    x->what == PERSON_PUT ? 201 : 200, &out);
		buf_release(&out);
	}
	free(x);
}

static struct people_job *
people_job_new(struct core *c, uint32_t request, enum people_what what,
    const struct store_session *by, size_t len)
{
	struct people_job *x;

	x = core_job_new(
	    c, sizeof(*x) + len + 1, request, people_run, people_done);
	if (x == NULL) {
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return (NULL);
	}
	x->what = what;
	x->now = clock_wall_ms();
	memcpy(x->by, by->fpr, sizeof(x->by));
	return (x);
}

void
people_session_end(struct core *c, uint32_t request, struct rd *rd)
{
	struct store_session s;
	struct people_job *x;
	struct id token;

	rd_copy(rd, token.b, ID_LEN);
	if (rd->bad || !core_session(c, request, &token, false, &s) ||
	    (x = people_job_new(c, request, SESSION_END, &s, 0)) == NULL)
		return;
	x->token = token;
	writer_submit(c->writer, &x->j.j);
}

void
people_put(struct core *c, uint32_t request, struct rd *rd)
{
	char fpr[STORE_FPR_HEX + 1], name[STORE_NAME_MAX];
	struct store_session s;
	struct people_job *x;
	const uint8_t *text;
	struct id token;
	uint8_t admin;
	size_t len;

	rd_copy(rd, token.b, ID_LEN);
	admin = rd_u8(rd);
	rd_field_str(rd, fpr, sizeof(fpr));
	rd_field_str(rd, name, sizeof(name));
	text = rd_field(rd, KEYRING_TEXT_MAX, &len);
	if (rd->bad || !core_session(c, request, &token, true, &s) ||
	    (x = people_job_new(c, request, PERSON_PUT, &s, len)) == NULL)
		return;
	memcpy(x->fpr, fpr, sizeof(fpr));
	memcpy(x->name, name, sizeof(name));
	memcpy(x->text, text, len);
	x->len = len;
	x->admin = admin != 0;
	writer_submit(c->writer, &x->j.j);
}

void
people_remove(struct core *c, uint32_t request, struct rd *rd)
{
	char fpr[STORE_FPR_HEX + 1];
	struct store_session s;
	struct people_job *x;
	struct id token;

	rd_copy(rd, token.b, ID_LEN);
	rd_field_str(rd, fpr, sizeof(fpr));
	if (rd->bad || !core_session(c, request, &token, true, &s) ||
	    (x = people_job_new(c, request, PERSON_REMOVE, &s, 0)) == NULL)
		return;
	memcpy(x->fpr, fpr, sizeof(fpr));
	writer_submit(c->writer, &x->j.j);
}

/* --- enrolment tokens --------------------------------------------------- */

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

	return (store_token_put(s, &x->hash, x->uses, x->now, x->expires, e));
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
	enrol_command(&c->role.conf, &c->ca_fprs[0], x->token,
	    has ? &policy : NULL, &command);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "token", x->token);
	core_add_time(&w, "expires", x->expires);
	jsonw_str(&w, "ca", id_hex(&c->ca_fprs[0]).s);
	if (has)
		jsonw_str(&w, "policy", id_hex(&policy).s);
	else
		jsonw_null(&w, "policy");
	jsonw_strn(&w, "command", command.data, command.len);
	jsonw_object_end(&w);
	core_reply(c, x->j.request, 201, &out);
	explicit_bzero(out.data, out.len);
	explicit_bzero(command.data, command.len);
	buf_release(&out);
	buf_release(&command);
out:
	explicit_bzero(x->token, sizeof(x->token));
	free(x);
}

void
people_token(struct core *c, uint32_t request, struct rd *rd)
{
	uint64_t uses, seconds;
	struct store_session s;
	struct token_job *x;
	struct id token;

	rd_copy(rd, token.b, ID_LEN);
	uses = rd_u64(rd);
	seconds = rd_u64(rd);
	if (rd->bad || !core_session(c, request, &token, true, &s))
		return;
	if (uses < 1 || uses > TOKEN_USES_MAX || seconds < 1 ||
	    seconds > TOKEN_SECONDS_MAX) {
		core_refuse(c, request, 400, "invalid",
		    "uses: 1 to %d; seconds: 1 to %d", TOKEN_USES_MAX,
		    TOKEN_SECONDS_MAX);
		return;
	}
	x = core_job_new(c, sizeof(*x), request, token_run, token_done);
	if (x == NULL || token_new(x->token, &x->hash, NULL) != 0) {
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
