/* SPDX-License-Identifier: MPL-2.0 */
/* Documents, bodies and paths from strangers: see parse.h. */
#include "server/parse.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "json/json.h"
#include "server/cmd/enrolcmd.h"
#include "server/messages.h"
#include "server/store/people.h"

#include <string.h>

#define TARGET_TEXT_MAX 4096

static int
read_login(json_t *doc, struct login_doc *d, struct err *e)
{
	static const char *const keys[] = { "syntaxversion", "server", "ca",
		"nonce", "time", NULL };
	const char *server, *ca;
	int64_t syntax;
	int rc;

	if ((rc = json_only_keys(doc, "", keys, e)) != 0 ||
	    (rc = json_need_int(doc, "", "syntaxversion", 3, 3, &syntax, e)) !=
		0 ||
	    (rc = json_need_str(doc, "", "server", &server, e)) != 0 ||
	    (rc = json_need_str(doc, "", "ca", &ca, e)) != 0 ||
	    (rc = json_need_id(doc, "", "nonce", &d->nonce, e)) != 0 ||
	    (rc = json_need_time(doc, "", "time", &d->time, e)) != 0)
		return (rc);
	if (!str_copy(d->server, sizeof(d->server), server))
		return (err_set(e, ERR_INVALID, "server: longer than %zu bytes",
		    sizeof(d->server) - 1));
	d->ca_is_id = id_parse_lower(ca, &d->ca) == 0;
	return (0);
}

int
login_doc_parse(
    const void *data, size_t len, struct login_doc *ret, struct err *e)
{
	struct login_doc d = { 0 };
	json_t *doc;
	int rc;

	if ((doc = json_strict(data, len, LOGIN_DOC_MAX, e)) == NULL)
		return (err_wrap(e, "session document"));
	if ((rc = read_login(doc, &d, e)) == 0)
		*ret = d;
	json_decref(doc);
	return (rc);
}

/* Names are shown on terminals and in logs. */
static bool
is_printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return (false);
	return (true);
}

static int
read_enrol(json_t *doc, struct enrol_doc *d, struct err *e)
{
	static const char *const keys[] = { "syntaxversion", "nonce",
		"token_sha256", "tls_spki", "name", "time", NULL };
	const char *token, *spki, *name;
	struct buf raw;
	int64_t syntax;
	struct id id;
	int rc;

	if ((rc = json_only_keys(doc, "", keys, e)) != 0 ||
	    (rc = json_need_int(doc, "", "syntaxversion", 3, 3, &syntax, e)) !=
		0 ||
	    (rc = json_need_id(doc, "", "nonce", &id, e)) != 0 ||
	    (rc = json_need_str(doc, "", "token_sha256", &token, e)) != 0 ||
	    (rc = json_need_str(doc, "", "tls_spki", &spki, e)) != 0 ||
	    (rc = json_need_str(doc, "", "name", &name, e)) != 0 ||
	    (rc = json_need_time(doc, "", "time", &d->time, e)) != 0)
		return (rc);
	if (id_parse_lower(token, &d->token) != 0)
		return (err_set(
		    e, ERR_AUTH, "token_sha256: not the digest of the token"));
	if (name[0] == '\0' || !is_printable(name) ||
	    !str_copy(d->name, sizeof(d->name), name))
		return (err_set(e, ERR_INVALID,
		    "name: expected 1 to %d bytes without control characters",
		    STORE_NAME_MAX - 1));
	buf_init(&raw, SPKI_MAX);
	if (b64_decode(&raw, spki, strlen(spki)) != 0) {
		rc = raw.error == ERR_NOMEM
		    ? err_code(e, ERR_NOMEM, "tls_spki")
		    : err_set(e, ERR_INVALID, "tls_spki: expected base64");
	} else if (raw.len > 0) {
		memcpy(d->spki, raw.data, raw.len);
		d->spki_len = raw.len;
	}
	buf_release(&raw);
	return (rc);
}

int
enrol_doc_parse(
    const void *data, size_t len, struct enrol_doc *ret, struct err *e)
{
	struct enrol_doc d = { 0 };
	json_t *doc;
	int rc;

	if ((doc = json_strict(data, len, ENROL_DOC_MAX, e)) == NULL)
		return (err_wrap(e, "enrolment document"));
	if ((rc = read_enrol(doc, &d, e)) == 0)
		*ret = d;
	json_decref(doc);
	return (rc);
}

int
enrol_body_read(json_t *root, struct enrol_body *ret, struct err *e)
{
	static const char *const keys[] = { "document", "identity", "signature",
		"token", NULL };
	const char *identity, *signature, *token;
	struct enrol_body b;
	int rc;

	if ((rc = json_only_keys(root, "", keys, e)) != 0 ||
	    (rc = json_need_str(root, "", "document", &b.document, e)) != 0 ||
	    (rc = json_need_str(root, "", "identity", &identity, e)) != 0 ||
	    (rc = json_need_str(root, "", "signature", &signature, e)) != 0 ||
	    (rc = json_need_str(root, "", "token", &token, e)) != 0)
		return (rc);
	if (strlen(b.document) > ENROL_DOC_MAX)
		return (err_set(e, ERR_INVALID,
		    "document: longer than %d bytes", ENROL_DOC_MAX));
	if (hex_decode(identity, b.pub, sizeof(b.pub)) != 0)
		return (err_set(
		    e, ERR_INVALID, "identity: expected 64 hex digits"));
	if (hex_decode(signature, b.sig, sizeof(b.sig)) != 0)
		return (err_set(
		    e, ERR_INVALID, "signature: expected 128 hex digits"));
	if (token_hash(token, &b.token) != 0)
		return (
		    err_set(e, ERR_INVALID, "token: expected 64 hex digits"));
	*ret = b;
	return (0);
}

int
target_body_read(json_t *root, struct target_body *ret, struct err *e)
{
	static const char *const keys[] = { "target", "online", NULL };
	struct target_body b = { NULL, false };
	int rc;

	if ((rc = json_only_keys(root, "", keys, e)) != 0 ||
	    (rc = json_need_str(root, "", "target", &b.target, e)) != 0 ||
	    (rc = json_opt_bool(root, "", "online", &b.online, e)) != 0)
		return (rc);
	if (strlen(b.target) > TARGET_TEXT_MAX)
		return (err_set(e, ERR_INVALID, "target: longer than %d bytes",
		    TARGET_TEXT_MAX));
	*ret = b;
	return (0);
}

int
token_body_read(json_t *root, struct token_body *ret, struct err *e)
{
	static const char *const keys[] = { "uses", "seconds", "sha256", NULL };
	struct token_body b = { 1, 3600, { { 0 } } };
	const char *hash = NULL;
	int rc;

	if ((rc = json_only_keys(root, "", keys, e)) != 0 ||
	    (rc = json_opt_int(root, "", "uses", 1, INT32_MAX, &b.uses, e)) !=
		0 ||
	    (rc = json_opt_int(
		 root, "", "seconds", 1, INT32_MAX, &b.seconds, e)) != 0 ||
	    (rc = json_opt_str(root, "", "sha256", &hash, e)) != 0)
		return (rc);
	if (hash != NULL &&
	    (id_parse(hash, &b.hash) != 0 || id_is_zero(&b.hash)))
		return (err_set(e, ERR_INVALID,
		    "sha256: expected the digest of what agents will show, 64"
		    " hex digits"));
	*ret = b;
	return (0);
}

int
person_body_read(json_t *root, struct person_body *ret, struct err *e)
{
	static const char *const keys[] = { "name", "fingerprint", "role",
		"keyring", NULL };
	struct person_body b = { "", "", NULL, 0 };
	const char *role = NULL;
	int rc;

	if ((rc = json_only_keys(root, "", keys, e)) != 0 ||
	    (rc = json_opt_str(root, "", "name", &b.name, e)) != 0 ||
	    (rc = json_opt_str(root, "", "fingerprint", &b.fpr, e)) != 0 ||
	    (rc = json_opt_str(root, "", "role", &role, e)) != 0 ||
	    (role != NULL && (rc = person_role_parse(role, &b.role, e)) != 0) ||
	    (rc = json_need_str(root, "", "keyring", &b.keyring, e)) != 0)
		return (rc);
	if (strlen(b.fpr) > STORE_FPR_HEX || strlen(b.name) >= STORE_NAME_MAX)
		return (err_set(e, ERR_INVALID,
		    "fingerprint: 40 hex digits; name: at most %d bytes",
		    STORE_NAME_MAX - 1));
	if (!is_printable(b.name))
		return (err_set(
		    e, ERR_INVALID, "name: no control characters, please"));
	*ret = b;
	return (0);
}

int
role_body_read(json_t *root, enum person_role *ret, struct err *e)
{
	static const char *const keys[] = { "role", NULL };
	const char *role;
	int rc;

	if ((rc = json_only_keys(root, "", keys, e)) != 0 ||
	    (rc = json_need_str(root, "", "role", &role, e)) != 0)
		return (rc);
	return (person_role_parse(role, ret, e));
}

bool
key_name_valid(const char *name)
{
	size_t n = strlen(name);

	return (n > 0 && n < STORE_KEY_NAME_MAX &&
	    strspn(name,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-") == n);
}

int
key_body_read(json_t *root, struct key_body *ret, struct err *e)
{
	static const char *const keys[] = { "name", "calls", "sha256",
		"seconds", NULL };
	const char *calls, *hash;
	struct key_body b;
	int rc;

	if ((rc = json_only_keys(root, "", keys, e)) != 0 ||
	    (rc = json_need_str(root, "", "name", &b.name, e)) != 0 ||
	    (rc = json_need_str(root, "", "calls", &calls, e)) != 0 ||
	    (rc = json_need_str(root, "", "sha256", &hash, e)) != 0 ||
	    (rc = json_need_int(
		 root, "", "seconds", 1, KEY_SECONDS_MAX, &b.seconds, e)) != 0)
		return (rc);
	if (!key_name_valid(b.name))
		return (err_set(e, ERR_INVALID,
		    "name: expected 1 to %d letters, digits, '.', '-', '_'",
		    STORE_KEY_NAME_MAX - 1));
	if (id_parse(hash, &b.hash) != 0)
		return (err_set(e, ERR_INVALID,
		    "sha256: expected the digest of the secret's 32 bytes, 64"
		    " hex digits"));
	if ((rc = calls_parse(calls, &b.calls, e)) != 0)
		return (err_wrap(e, "calls"));
	*ret = b;
	return (0);
}

bool
path_match(const char *pattern, const char *path, char *arg, size_t size)
{
	size_t n;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern != '%') {
			if (*path++ != *pattern)
				return (false);
			continue;
		}
		n = strcspn(path, "/");
		if (n == 0 || n >= size)
			return (false);
		memcpy(arg, path, n);
		arg[n] = '\0';
		path += n;
	}
	return (*path == '\0');
}
