/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: logins, investigators, enrolment tokens.
 *
 * A login is a document the client builds itself, with a nonce of ours that
 * is good for one use and two minutes. Nonces live in memory: a restart makes
 * clients ask for another.
 */
#include "server/core/core.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/str.h"
#include "json/json.h"
#include "server/enrolcmd.h"
#include "server/investigators.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define NONCE_MS (2 * 60 * 1000)
#define SESSION_DOC_MAX 8192
#define SESSION_SLACK 300 /* seconds a login's time may be off */
#define REPLY_JSON_MAX 65536
#define TOKEN_SECONDS_MAX (366 * 86400)
#define TOKEN_USES_MAX 1000000

/* A ring: the oldest is overwritten. */
struct nonces {
	size_t next;
	struct {
		struct id nonce;
		int64_t expires; /* ms; 0: free */
	} ring[NONCES_MAX];
};

struct nonces *
nonces_new(void)
{
	return (calloc(1, sizeof(struct nonces)));
}

void
nonces_free(struct nonces *n)
{
	free(n);
}

static bool
nonce_use(struct nonces *n, const struct id *nonce, int64_t now)
{
	bool good;
	size_t i;

	for (i = 0; i < NONCES_MAX; i++) {
		if (n->ring[i].expires == 0 ||
		    !id_equal(&n->ring[i].nonce, nonce))
			continue;
		good = n->ring[i].expires > now;
		n->ring[i].expires = 0;
		return (good);
	}
	return (false);
}

static void
add_time(struct jsonw *w, const char *key, int64_t ms)
{
	char text[RFC3339_LEN + 1];

	rfc3339_format(ms / 1000, text);
	jsonw_str(w, key, text);
}

void
people_nonce(struct core *c, uint32_t request)
{
	struct nonces *n = c->nonces;
	size_t at = n->next;
	struct buf out;
	struct jsonw w;

	if (getrandom(n->ring[at].nonce.b, ID_LEN, 0) != ID_LEN) {
		core_refuse(c, request, 500, "internal", "no random bytes");
		return;
	}
	n->next = (at + 1) % NONCES_MAX;
	n->ring[at].expires = clock_wall_ms() + NONCE_MS;
	buf_init(&out, REPLY_JSON_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "nonce", id_hex(&n->ring[at].nonce).s);
	add_time(&w, "expires", n->ring[at].expires);
	jsonw_object_end(&w);
	core_reply(c, request, 200, &out);
	buf_release(&out);
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

/* Every field against our own; the nonce is used up even if another field is
 * wrong. */
static int
check_session_doc(struct core *c, const struct envelope *env, struct err *e)
{
	static const char *const keys[] = { "syntaxversion", "server", "ca",
		"nonce", "time", NULL };
	const char *server, *ca, *nonce, *when;
	int64_t syntax, t, now = clock_wall_ms();
	struct id id;
	json_t *doc;
	int rc;

	doc = json_strict(env->doc, env->doc_len, SESSION_DOC_MAX, e);
	if (doc == NULL)
		return (err_wrap(e, "session document"));
	if ((rc = json_only_keys(doc, "", keys, e)) != 0 ||
	    (rc = json_need_int(doc, "", "syntaxversion", 3, 3, &syntax, e)) !=
		0 ||
	    (rc = json_need_str(doc, "", "server", &server, e)) != 0 ||
	    (rc = json_need_str(doc, "", "ca", &ca, e)) != 0 ||
	    (rc = json_need_str(doc, "", "nonce", &nonce, e)) != 0 ||
	    (rc = json_need_str(doc, "", "time", &when, e)) != 0)
		goto out;
	if (id_parse(nonce, &id) != 0)
		rc = err_set(e, ERR_INVALID, "nonce: expected 64 hex digits");
	else if (!nonce_use(c->nonces, &id, now))
		rc = err_set(e, ERR_EXPIRED,
		    "nonce: unknown, used already, or older than two minutes:"
		    " ask for a new one");
	else if (!is_our_origin(&c->role.conf, server))
		rc = err_set(e, ERR_AUTH,
		    "server: '%.200s' is not this server (its names: %s, port"
		    " %d)",
		    server, c->role.conf.name, (int)c->role.conf.port);
	else if (id_parse(ca, &id) != 0 || !id_equal(&id, &c->ca_fpr))
		rc = err_set(e, ERR_AUTH,
		    "ca: the login is for another CA than this server's");
	else if (rfc3339_parse(when, &t) != 0)
		rc = err_set(e, ERR_INVALID,
		    "time: expected RFC 3339, not '%.40s'", when);
	else if (t < now / 1000 - SESSION_SLACK ||
	    t > now / 1000 + SESSION_SLACK)
		rc = err_set(e, ERR_EXPIRED,
		    "time: %.40s is more than five minutes from the server's"
		    " clock: set the clock",
		    when);
out:
	json_decref(doc);
	return (rc);
}

struct session_job {
	struct core_job j;
	struct id hash;
	char token[TOKEN_HEX_LEN + 1];
	char fpr[STORE_FPR_HEX + 1];
	int64_t now, expires;
};

static int
session_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct session_job *x = (struct session_job *)j;

	return (store_session_put(s, &x->hash, x->fpr, x->now, x->expires, e));
}

static void
session_done(struct writer_job *j)
{
	struct session_job *x = (struct session_job *)j;
	struct core *c = x->j.c;
	struct store_session s;
	struct buf out;
	struct jsonw w;

	if (j->rc != 0) {
		core_refuse_err(c, x->j.request, &j->err);
		goto out;
	}
	if (!core_session(c, x->j.request, &x->hash, false, &s))
		goto out;
	log_info("login investigator=%s name=%s", s.fpr, log_quote(s.name));
	buf_init(&out, REPLY_JSON_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "token", x->token);
	add_time(&w, "expires", x->expires);
	jsonw_object(&w, "investigator");
	jsonw_str(&w, "name", s.name);
	jsonw_str(&w, "fingerprint", s.fpr);
	jsonw_bool(&w, "admin", s.admin);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	core_reply(c, x->j.request, 201, &out);
	explicit_bzero(out.data, out.len);
	buf_release(&out);
out:
	explicit_bzero(x->token, sizeof(x->token));
	free(x);
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
people_session_new(struct core *c, uint32_t request, struct rd *rd)
{
	struct signer signers[SIGS_MAX];
	const struct signer *who;
	const uint8_t *bytes;
	struct envelope env;
	struct session_job *x;
	struct err e;
	size_t len;

	bytes = rd_field(rd, ENVELOPE_MAX, &len);
	if (!rd_done(rd)) {
		rd->bad = true;
		return;
	}
	if (envelope_parse(bytes, len, &env, &e) != 0 ||
	    check_session_doc(c, &env, &e) != 0 ||
	    (who = session_signer(c, &env, signers, &e)) == NULL) {
		log_warn("login_refused why=%s", log_quote(e.msg));
		core_refuse_err(c, request, &e);
		return;
	}
	x = core_job_new(c, sizeof(*x), request, session_run, session_done);
	if (x == NULL || token_new(x->token, &x->hash, &e) != 0) {
		free(x);
		core_refuse(c, request, 500, "internal", "out of memory");
		return;
	}
	hex_encode(who->person, PGP_FPR_LEN, x->fpr);
	x->now = clock_wall_ms();
	x->expires = x->now + c->role.conf.session_lifetime * 1000;
	writer_submit(c->writer, &x->j.j);
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
		core_refuse(c, request, 500, "internal", "out of memory");
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
	enrol_command(&c->role.conf, &c->ca_fpr, x->token, has ? &policy : NULL,
	    &command);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "token", x->token);
	add_time(&w, "expires", x->expires);
	jsonw_str(&w, "ca", id_hex(&c->ca_fpr).s);
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
		core_refuse(c, request, 500, "internal", "out of memory");
		return;
	}
	memcpy(x->by, s.fpr, sizeof(x->by));
	x->uses = (int64_t)uses;
	x->now = clock_wall_ms();
	x->expires = x->now + (int64_t)seconds * 1000;
	writer_submit(c->writer, &x->j.j);
}
