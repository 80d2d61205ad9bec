/* SPDX-License-Identifier: MPL-2.0 */
/* Cancel documents: reading one and making one; see cancel.h. */
#include "action/cancel.h"

#include "action/limits.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "json/json.h"

#include <string.h>
#include <sys/random.h>

static int
read_ids(const json_t *o, struct cancel *c, struct err *e)
{
	uint8_t nonce[ACTION_NONCE_LEN];
	const char *s;
	int rc;

	if ((rc = json_need_str(o, "", "nonce", &s, e)) != 0)
		return rc;
	if (hex_decode(s, nonce, sizeof(nonce)) != 0)
		return err_set(e, ERR_INVALID, "nonce: expected %d hex digits",
		    2 * ACTION_NONCE_LEN);
	return json_need_id(o, "", "action", &c->action, e);
}

/* People read it: no control characters. */
static int
read_reason(const json_t *o, struct cancel *c, struct err *e)
{
	const char *s = NULL;
	size_t i, n;
	int rc;

	if (json_is_null(json_object_get(o, "reason")))
		return err_set(e, ERR_INVALID, "reason: expected a string");
	rc = json_opt_str(o, "", "reason", &s, e);
	if (rc != 0 || s == NULL)
		return rc;
	n = strlen(s);
	if (n < 1 || n > CANCEL_REASON_MAX)
		return err_set(e, ERR_INVALID,
		    "reason: %zu bytes, expected 1 to %d", n,
		    CANCEL_REASON_MAX);
	for (i = 0; i < n; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return err_set(e, ERR_INVALID,
			    "reason: control character 0x%02x",
			    (unsigned int)(unsigned char)s[i]);
	}
	memcpy(c->reason, s, n + 1);
	return 0;
}

static int
read_document(const json_t *o, struct cancel *c, struct err *e)
{
	static const char *const keys[] = { "syntaxversion", "nonce", "action",
		"time", "expireafter", "reason", NULL };
	int64_t syntax;
	int rc;

	if (!json_is_object(o))
		return err_set(e, ERR_INVALID, "expected an object");
	if ((rc = json_only_keys(o, "", keys, e)) != 0 ||
	    (rc = json_need_int(o, "", "syntaxversion", CANCEL_SYNTAX,
		 CANCEL_SYNTAX, &syntax, e)) != 0 ||
	    (rc = read_ids(o, c, e)) != 0 ||
	    (rc = json_need_time(o, "", "time", &c->time, e)) != 0 ||
	    (rc = json_need_time(o, "", "expireafter", &c->expire_after, e)) !=
		0)
		return rc;
	return read_reason(o, c, e);
}

int
cancel_parse(const void *doc, size_t len, struct cancel *ret, struct err *e)
{
	struct cancel c = { .reason = "" };
	json_t *root;
	int rc;

	if (len > CANCEL_DOC_MAX) {
		err_set(e, ERR_TOOBIG, "cancel: %zu bytes, at most %d", len,
		    CANCEL_DOC_MAX);
		return ERR_TOOBIG;
	}
	root = json_strict(doc, len, CANCEL_DOC_MAX, e);
	if (root == NULL)
		return err_wrap(e, "cancel");
	rc = read_document(root, &c, e);
	json_decref(root);
	if (rc != 0)
		return err_wrap(e, "cancel");
	*ret = c;
	return 0;
}

static void
add_time(struct jsonw *w, const char *key, int64_t t)
{
	char text[RFC3339_LEN + 1];

	rfc3339_format(t, text);
	jsonw_str(w, key, text);
}

int
cancel_build(const struct cancel *c, struct buf *out, struct err *e)
{
	uint8_t nonce[ACTION_NONCE_LEN];
	char hex[2 * ACTION_NONCE_LEN + 1];
	size_t start = out->len;
	struct cancel check;
	struct jsonw w;
	int rc;

	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		return err_errno(e, "getrandom");
	hex_encode(nonce, sizeof(nonce), hex);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_i64(&w, "syntaxversion", CANCEL_SYNTAX);
	jsonw_str(&w, "nonce", hex);
	jsonw_str(&w, "action", id_hex(&c->action).s);
	add_time(&w, "time", c->time);
	add_time(&w, "expireafter", c->expire_after);
	if (c->reason[0] != '\0')
		jsonw_str(&w, "reason", c->reason);
	jsonw_object_end(&w);
	if (out->error != 0)
		rc = err_set(e, out->error, "cancel: %s", err_text(out->error));
	else
		rc = cancel_parse(
		    out->data + start, out->len - start, &check, e);
	if (rc != 0)
		out->len = start;
	return rc;
}
