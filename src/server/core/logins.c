/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: logins. A login is a document the client builds itself, with a nonce
 * of ours that is good for one login and two minutes (nonces.h). A restart
 * makes clients ask for another.
 */
#include "server/core/core.h"
#include "server/core/nonces.h"
#include "server/core/notes.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/str.h"
#include "server/audit.h"
#include "server/cmd/enrolcmd.h"
#include "server/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFUSED_A_MINUTE 20
#define SESSION_SLACK 300 /* seconds a login's time may be off */
#define REPLY_JSON_MAX 65536

void
logins_nonce(struct core *c, uint32_t request)
{
	struct buf out;
	struct jsonw w;
	struct id nonce;

	if (nonces_make(c->nonces, clock_mono_ms(), &nonce) != 0) {
		core_refuse(c, request, 500, "internal", "no random bytes");
		return;
	}
	buf_init(&out, REPLY_JSON_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "nonce", id_hex(&nonce).s);
	jsonw_time(&w, "expires", clock_wall_ms() + NONCE_MS);
	jsonw_object_end(&w);
	core_reply(c, request, 200, &out);
	buf_release(&out);
	fault_point("core.nonce");
}

/* --- login -------------------------------------------------------------- */

static bool
is_our_origin(const struct server_conf *conf, const char *s)
{
	const char *host, *port;
	uint64_t n;

	if (!str_starts(s, "https://"))
		return (false);
	host = s + strlen("https://");
	if ((port = strrchr(host, ':')) == NULL ||
	    str_u64(port + 1, 1, 65535, &n) != 0)
		return (false);
	return ((int64_t)n == conf->port &&
	    server_has_name(conf, host, (size_t)(port - host)));
}

/* By today's certificate or by an earlier one. */
static bool
is_our_ca(const struct core *c, const struct id *fpr)
{
	size_t i;

	for (i = 0; i < c->nca; i++)
		if (id_equal(fpr, &c->ca_fprs[i]))
			return (true);
	return (false);
}

/* Every field against our own. */
static int
check_session_doc(struct core *c, const struct envelope *env,
    struct id *ret_nonce, struct err *e)
{
	int64_t now = clock_wall_ms();
	struct login_doc d;
	int rc;

	if ((rc = login_doc_parse(env->doc, env->doc_len, &d, e)) != 0)
		return (rc);
	if (!nonces_good(c->nonces, &d.nonce, clock_mono_ms()))
		return (err_set(e, ERR_EXPIRED,
		    "nonce: unknown, used already, or older than two minutes:"
		    " ask for a new one"));
	if (!is_our_origin(&c->role.conf, d.server))
		return (err_set(e, ERR_AUTH,
		    "server: '%.200s' is not this server (its names: %s, port"
		    " %d)",
		    d.server, c->role.conf.name, (int)c->role.conf.port));
	if (!d.ca_is_id || !is_our_ca(c, &d.ca))
		return (err_set(e, ERR_AUTH,
		    "ca: the login is for another CA than this server's"));
	if (d.time < now / 1000 - SESSION_SLACK ||
	    d.time > now / 1000 + SESSION_SLACK)
		return (err_set(e, ERR_EXPIRED,
		    "time: more than five minutes from the server's clock: set"
		    " the clock"));
	*ret_nonce = d.nonce;
	return (0);
}

struct session_job {
	struct core_job j;
	struct id hash;
	char token[TOKEN_HEX_LEN + 1];
	char fpr[STORE_FPR_HEX + 1], from[ADDRESS_TEXT_MAX];
	int64_t now, expires;
};

static int
session_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct session_job *x = (struct session_job *)j;
	struct id_hex hash = id_short(&x->hash);
	char detail[AUDIT_DETAIL_MAX];
	struct audit_note note = { x->fpr, "login", hash.s, detail };
	int rc;

	rc = store_session_put(s, &x->hash, x->fpr, x->now, x->expires, e);
	if (rc != 0)
		return (rc);
	snprintf(detail, sizeof(detail), "from %s", x->from);
	return (audit_add(s, &note, x->now, e));
}

static void
session_done(struct writer_job *j)
{
	struct session_job *x = (struct session_job *)j;
	struct core *c = x->j.c;
	struct store_caller s;
	struct buf out;
	struct jsonw w;

	if (j->rc != 0) {
		core_refuse_err(c, x->j.request, &j->err);
		goto out;
	}
	fault_point("core.session_stored");
	if (!core_caller(c, x->j.request, &x->hash, CALL_OWN_SESSION, &s))
		goto out;
	log_info("login investigator=%s name=%s", s.fpr, log_quote(s.name));
	buf_init(&out, REPLY_JSON_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "token", x->token);
	jsonw_time(&w, "expires", x->expires);
	jsonw_object(&w, "investigator");
	jsonw_str(&w, "name", s.name);
	jsonw_str(&w, "fingerprint", s.fpr);
	jsonw_str(&w, "role", person_role_text(s.role));
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	core_reply(c, x->j.request, 201, &out);
	explicit_bzero(out.data, out.len);
	buf_release(&out);
out:
	explicit_bzero(x->token, sizeof(x->token));
	free(x);
}

/* --- logins that are refused ------------------------------------------------
 */

struct refused_job {
	struct core_job j;
	int64_t now;
	char detail[AUDIT_DETAIL_MAX];
};

static int
refused_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct refused_job *x = (struct refused_job *)j;
	struct audit_note note = { "-", "login_refused", "", x->detail };

	return (audit_add(s, &note, x->now, e));
}

static void
refused_done(struct writer_job *j)
{
	free(j);
}

/* A bounded number a minute; how many more there were is told with the next
 * one, or a minute later. */
static void
note_refused(struct core *c, const char *from, const char *why)
{
	struct refused_job *x;
	int used;

	if (c->refused_noted >= REFUSED_A_MINUTE) {
		c->refused_left++;
		return;
	}
	x = core_job_new(c, sizeof(*x), 0, refused_run, refused_done);
	if (x == NULL)
		return;
	c->refused_noted++;
	x->now = clock_wall_ms();
	used = snprintf(
	    x->detail, sizeof(x->detail), "from %s: %.500s", from, why);
	if (c->refused_left > 0)
		snprintf(x->detail + used, sizeof(x->detail) - (size_t)used,
		    " (and %llu before that are not listed)",
		    (unsigned long long)c->refused_left);
	c->refused_left = 0;
	writer_submit(c->writer, &x->j.j);
}

void
logins_tick(struct core *c, int64_t now)
{
	if (now - c->refused_minute < 60000)
		return;
	c->refused_minute = now;
	c->refused_noted = 0;
	if (c->refused_left > 0)
		note_refused(c, "several addresses", "many of them at once");
}

/* Whose login it is; NULL and e when nobody's. */
static const struct signer *
session_signer(struct core *c, const struct envelope *env,
    struct signer signers[static SIGS_MAX], struct err *e)
{
	const struct keyring *k = core_keyring(c, e);
	size_t i;

	if (k == NULL)
		return (NULL);
	if (env->nsigs != 1) {
		err_set(e, ERR_INVALID, "a login has exactly one signature");
		return (NULL);
	}
	keyring_verify(k, PURPOSE_SESSION, env->doc, env->doc_len, env->sigs,
	    env->nsigs, clock_wall_ms() / 1000, signers);
	for (i = 0; i < env->nsigs; i++)
		if (signers[i].verdict == SIG_GOOD)
			return (&signers[i]);
	err_set(e, ERR_AUTH, "the login's signature is not accepted: %s",
	    sig_verdict_text(signers[0].verdict));
	return (NULL);
}

void
logins_session_new(struct core *c, uint32_t request, struct rd *rd)
{
	struct signer signers[SIGS_MAX];
	char from[ADDRESS_TEXT_MAX], fpr[STORE_FPR_HEX + 1];
	const struct signer *who;
	const uint8_t *bytes;
	struct envelope env;
	struct session_job *x;
	struct id nonce;
	struct err e;
	size_t len;

	rd_field_str(rd, from, sizeof(from));
	bytes = rd_field(rd, ENVELOPE_MAX, &len);
	if (!rd_done(rd)) {
		rd->bad = true;
		return;
	}
	if (envelope_parse(bytes, len, &env, &e) != 0 ||
	    check_session_doc(c, &env, &nonce, &e) != 0 ||
	    (who = session_signer(c, &env, signers, &e)) == NULL ||
	    nonces_use(c->nonces, &nonce, clock_mono_ms(), &e) != 0) {
		log_warn("login_refused from=%s why=%s", log_quote(from),
		    log_quote(e.msg));
		note_refused(c, from, e.msg);
		core_refuse_err(c, request, &e);
		return;
	}
	hex_encode(who->person, PGP_FPR_LEN, fpr);
	if (!core_may_note(c, request, fpr))
		return;
	x = core_job_new(c, sizeof(*x), request, session_run, session_done);
	if (x == NULL || token_new(x->token, &x->hash, &e) != 0) {
		free(x);
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return;
	}
	memcpy(x->fpr, fpr, sizeof(x->fpr));
	memcpy(x->from, from, sizeof(from));
	x->now = clock_wall_ms();
	x->expires = x->now + c->role.conf.session_lifetime * 1000;
	fault_point("core.session_checked");
	writer_submit(c->writer, &x->j.j);
}
