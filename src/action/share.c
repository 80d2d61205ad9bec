/* SPDX-License-Identifier: MPL-2.0 */
#include "action/share.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "json/json.h"

#include <string.h>
#include <sys/random.h>

#define NONCE_LEN 16
#define ARMOR_BEGIN "-----BEGIN "

static int
read_fields(struct share *s, struct err *e)
{
	static const char *const keys[] = { "syntaxversion", "nonce", "action",
		"to", "key", "time", NULL };
	const char *nonce;
	const json_t *o = s->root;
	uint8_t raw[NONCE_LEN];
	int64_t version;
	int r;

	if ((r = json_only_keys(o, "", keys, e)) != 0 ||
	    (r = json_need_int(o, "", "syntaxversion", 3, 3, &version, e)) !=
		0 ||
	    (r = json_need_str(o, "", "nonce", &nonce, e)) != 0 ||
	    (r = json_need_id(o, "", "action", &s->action, e)) != 0 ||
	    (r = json_need_str(o, "", "to", &s->to, e)) != 0 ||
	    (r = json_need_str(o, "", "key", &s->key, e)) != 0 ||
	    (r = json_need_time(o, "", "time", &s->time_s, e)) != 0)
		return r;
	if (hex_decode(nonce, raw, sizeof(raw)) != 0)
		return err_set(e, ERR_INVALID, "nonce: expected %d hex digits",
		    2 * NONCE_LEN);
	if (strlen(s->to) != SHARE_FPR_HEX ||
	    strspn(s->to, "0123456789abcdef") != SHARE_FPR_HEX)
		return err_set(e, ERR_INVALID,
		    "to: expected a full fingerprint, %d hex digits in lower "
		    "case",
		    SHARE_FPR_HEX);
	if (strncmp(s->key, ARMOR_BEGIN, strlen(ARMOR_BEGIN)) != 0)
		return err_set(
		    e, ERR_INVALID, "key: expected an armoured message");
	return 0;
}

int
share_parse(const void *doc, size_t len, struct share *ret, struct err *e)
{
	struct share s = { 0 };
	int r;

	s.root = json_strict(doc, len, SHARE_DOC_MAX, e);
	if (s.root == NULL)
		return err_wrap(e, "share");
	r = json_is_object(s.root)
	    ? read_fields(&s, e)
	    : err_set(e, ERR_INVALID, "expected a JSON object");
	if (r != 0) {
		err_wrap(e, "share");
		share_release(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void
share_release(struct share *s)
{
	json_decref(s->root);
	memset(s, 0, sizeof(*s));
}

int
share_build(const struct id *action, const char *to, const char *key,
    int64_t time_s, struct buf *out, struct err *e)
{
	char when[RFC3339_LEN + 1], hex[2 * NONCE_LEN + 1];
	uint8_t nonce[NONCE_LEN];
	struct jsonw w;

	if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return err_errno(e, "getrandom");
	hex_encode(nonce, sizeof(nonce), hex);
	rfc3339_format(time_s, when);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_i64(&w, "syntaxversion", 3);
	jsonw_str(&w, "nonce", hex);
	jsonw_str(&w, "action", id_hex(action).s);
	jsonw_str(&w, "to", to);
	jsonw_str(&w, "key", key);
	jsonw_str(&w, "time", when);
	jsonw_object_end(&w);
	return out->error == 0 ? 0 : err_code(e, out->error, "the shared key");
}
