/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sessions: the client builds the login document itself, from its own
 * configuration and the server's nonce, signs it, and keeps the token in the
 * cache directory. Nothing that the server sent is signed but the nonce, and
 * that only inside this document and under its own purpose.
 */
#include "client/api/api.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "client/ask/interrupt.h"
#include "client/sign/sign.h"
#include "crypto/purpose.h"
#include "crypto/seal.h"
#include "json/json.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSION_FILE_MAX 4096
#define LOGIN_TRIES 5
#define LOGIN_PAUSE_MS 250
#define TOKEN_SLACK 30 /* seconds: a token about to end is not used */

static bool
token_is_hex(const char *s)
{
	uint8_t bytes[CLIENT_TOKEN_LEN / 2];
	bool ok = hex_decode(s, bytes, sizeof(bytes)) == 0;

	secret_wipe(bytes, sizeof(bytes));
	return ok;
}

/* Fills the token when the file is for this server, CA and key, and in time;
 * any other file is as good as none. */
static void
session_read(struct client *c, const char *path)
{
	const char *server, *ca, *key, *token;
	int64_t expires;
	json_t *j = NULL;
	struct buf b;

	buf_init(&b, SESSION_FILE_MAX);
	if (file_read(path, &b, NULL) == 0)
		j = json_strict(b.data, b.len, SESSION_FILE_MAX, NULL);
	if (j != NULL && json_need_str(j, "", "server", &server, NULL) == 0 &&
	    json_need_str(j, "", "ca", &ca, NULL) == 0 &&
	    json_need_str(j, "", "key", &key, NULL) == 0 &&
	    json_need_str(j, "", "token", &token, NULL) == 0 &&
	    json_need_int(
		j, "", "expires", 0, INT64_C(1) << 50, &expires, NULL) == 0 &&
	    strcmp(server, c->conf.server) == 0 &&
	    strcmp(ca, c->conf.ca) == 0 && client_signer(c) != NULL &&
	    strcmp(key, client_signer(c)) == 0 &&
	    expires > clock_wall_ms() / 1000 + TOKEN_SLACK &&
	    token_is_hex(token))
		memcpy(c->token, token, CLIENT_TOKEN_LEN + 1);
	json_decref(j);
	if (b.data != NULL)
		secret_wipe(b.data, b.len);
	buf_release(&b);
}

static int
session_write(struct client *c, int64_t expires, struct err *e)
{
	char *path = client_path(DIR_CACHE, "session", e);
	struct jsonw w;
	struct buf b;
	int r;

	if (path == NULL)
		return ERR_NOTFOUND;
	buf_init(&b, SESSION_FILE_MAX);
	jsonw_init(&w, &b);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "server", c->conf.server);
	jsonw_str(&w, "ca", c->conf.ca);
	jsonw_str(&w, "key", client_signer(c));
	jsonw_i64(&w, "expires", expires);
	jsonw_str(&w, "token", c->token);
	jsonw_object_end(&w);
	r = client_mkdir_for(path, e);
	if (r == 0)
		r = file_write(path, b.data, b.len, 0600, e);
	if (b.data != NULL)
		secret_wipe(b.data, b.len);
	buf_release(&b);
	free(path);
	return r;
}

void
session_forget(struct client *c)
{
	char *path = client_path(DIR_CACHE, "session", NULL);

	secret_wipe(c->token, sizeof(c->token));
	if (path != NULL)
		unlink(path);
	free(path);
}

static int
session_document(
    struct client *c, const char *nonce, struct buf *out, struct err *e)
{
	char now[RFC3339_LEN + 1];
	uint8_t bytes[32];
	struct jsonw w;

	if (hex_decode(nonce, bytes, sizeof(bytes)) != 0)
		return err_set(
		    e, ERR_INVALID, "the server's nonce is not 64 hex digits");
	rfc3339_format(clock_wall_ms() / 1000, now);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_i64(&w, "syntaxversion", 3);
	jsonw_str(&w, "server", c->conf.server);
	jsonw_str(&w, "ca", c->conf.ca);
	jsonw_str(&w, "nonce", nonce);
	jsonw_str(&w, "time", now);
	jsonw_object_end(&w);
	return out->error == 0 ? 0 : err_set(e, out->error, "login document");
}

static int
session_accept(struct client *c, const json_t *answer, struct err *e)
{
	int64_t expires = 0;
	const char *token, *text;
	const json_t *j;
	struct err kept;
	int r;

	r = json_need_str(answer, "", "token", &token, e);
	if (r != 0)
		return err_wrap(e, "the server's login answer");
	if (!token_is_hex(token))
		return err_set(
		    e, ERR_INVALID, "the server's token is not 64 hex digits");
	/* a time in words or in seconds; without one the server will say */
	j = json_object_get(answer, "expires");
	text = json_string_value(j);
	if (json_is_integer(j))
		expires = json_integer_value(j);
	else if (text == NULL || rfc3339_parse(text, &expires) != 0)
		expires = clock_wall_ms() / 1000 + 600;
	memcpy(c->token, token, CLIENT_TOKEN_LEN + 1);
	fault_point("mig.login");
	/* a full disk here is no reason not to ask */
	if (session_write(c, expires, &kept) != 0)
		client_warn("warning: the login is not kept for the next "
			    "command: %s",
		    kept.msg);
	return 0;
}

static int
session_try(struct client *c, struct err *e)
{
	json_t *j = NULL, *answer = NULL;
	struct buf doc, env;
	const char *nonce;
	int r;

	buf_init(&doc, 4096);
	buf_init(&env, 64 * 1024);
	if ((r = client_need_server(c, e)) != 0 ||
	    (r = client_need_key(c, e)) != 0)
		goto out;
	r = api_plain(c, "POST", "/api/v1/sessions/nonce", NULL, &j, e);
	if (r == 0)
		r = json_need_str(j, "", "nonce", &nonce, e);
	if (r == 0)
		r = session_document(c, nonce, &doc, e);
	if (r == 0)
		r = sign_new_envelope(
		    c, PURPOSE_SESSION, doc.data, doc.len, &env, e);
	if (r == 0)
		r = api_plain(c, "POST", "/api/v1/sessions", &env, &answer, e);
	if (r == 0)
		r = session_accept(c, answer, e);
out:
	json_decref(j);
	json_decref(answer);
	buf_release(&doc);
	buf_release(&env);
	return r;
}

/* A server that restarts has forgotten its nonce: the next try has a new one.
 */
int
session_login(struct client *c, struct err *e)
{
	int pause = LOGIN_PAUSE_MS, tries = LOGIN_TRIES, r;

	while ((r = session_try(c, e)) == ERR_BUSY && --tries > 0 &&
	    !interrupt_seen()) {
		poll(NULL, 0, pause);
		pause *= 2;
	}
	if (r != 0)
		err_wrap(e, "login");
	return r;
}

int
session_ensure(struct client *c, struct err *e)
{
	char *path;
	int r;

	if (c->token[0] != '\0')
		return 0;
	if ((r = client_need_server(c, e)) != 0)
		return r;
	path = client_path(DIR_CACHE, "session", e);
	if (path == NULL)
		return ERR_NOTFOUND;
	session_read(c, path);
	free(path);
	return c->token[0] != '\0' ? 0 : session_login(c, e);
}

int
session_logout(struct client *c, struct err *e)
{
	char *path;
	int r;

	if ((r = client_need_server(c, e)) != 0)
		return r;
	path = client_path(DIR_CACHE, "session", e);
	if (path == NULL)
		return ERR_NOTFOUND;
	session_read(c, path);
	free(path);
	if (c->token[0] != '\0' && (r = api_end_session(c, e)) == ERR_EXPIRED)
		r = 0;
	session_forget(c);
	return r;
}
