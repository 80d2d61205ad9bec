/* SPDX-License-Identifier: MPL-2.0 */
/* Making an action document: the bytes that people sign. */
#include "action/document.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* A Jansson value in place of one of jsonw's; NULL adds nothing. */
static void
add_value(struct jsonw *w, const char *key, const json_t *v)
{
	char *text;

	if (v == NULL)
		return;
	text = json_text(v, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text == NULL) {
		if (w->out->error == 0)
			w->out->error = ERR_NOMEM;
		return;
	}
	jsonw_raw(w, key, text, strlen(text));
	free(text);
}

static void
add_strings(struct jsonw *w, const char *key, const char *const *list, size_t n)
{
	size_t i;

	jsonw_array(w, key);
	for (i = 0; i < n; i++)
		jsonw_str(w, NULL, list[i]);
	jsonw_array_end(w);
}

static void
add_limit(struct jsonw *w, const char *key, int64_t n)
{
	if (n > 0)
		jsonw_i64(w, key, n);
}

static void
add_limits(struct jsonw *w, const struct action_limits *l)
{
	if (l->seconds <= 0 && l->cpu_seconds <= 0 && l->cpu_percent <= 0 &&
	    l->read_bytes <= 0 && l->result_bytes <= 0)
		return;
	jsonw_object(w, "limits");
	add_limit(w, "seconds", l->seconds);
	add_limit(w, "cpuseconds", l->cpu_seconds);
	add_limit(w, "cpupercent", l->cpu_percent);
	add_limit(w, "readbytes", l->read_bytes);
	add_limit(w, "resultbytes", l->result_bytes);
	jsonw_object_end(w);
}

static void
add_seal(struct jsonw *w, const struct action_draft *d)
{
	struct buf key;

	buf_init(&key, 64);
	b64_encode(&key, d->seal_public, sizeof(d->seal_public));
	jsonw_object(w, "seal");
	jsonw_strn(w, "public", key.data, key.len);
	add_strings(w, "readers", d->readers, d->nreaders);
	jsonw_str(w, "key", d->seal_key == NULL ? "" : d->seal_key);
	jsonw_object_end(w);
	if (key.error != 0 && w->out->error == 0)
		w->out->error = key.error;
	buf_release(&key);
}

static void
add_time(struct jsonw *w, const char *key, int64_t t)
{
	char text[RFC3339_LEN + 1];

	rfc3339_format(t, text);
	jsonw_str(w, key, text);
}

static void
add_document(struct jsonw *w, const struct action_draft *d, const char *nonce)
{
	jsonw_object(w, NULL);
	jsonw_i64(w, "syntaxversion", ACTION_SYNTAX);
	jsonw_str(w, "nonce", nonce);
	jsonw_str(w, "name", d->name == NULL ? "" : d->name);
	add_value(w, "description", d->description);
	add_value(w, "threat", d->threat);
	jsonw_str(w, "target", d->target == NULL ? "" : d->target);
	add_time(w, "validfrom", d->valid_from);
	add_time(w, "expireafter", d->expire_after);
	jsonw_object(w, "require");
	jsonw_i64(w, "weight", d->require_weight == 0 ? 1 : d->require_weight);
	if (d->nrequire_fprs > 0)
		add_strings(
		    w, "fingerprints", d->require_fprs, d->nrequire_fprs);
	jsonw_object_end(w);
	if (d->min_policy > 0)
		jsonw_i64(w, "minpolicy", d->min_policy);
	add_limits(w, &d->limits);
	add_value(w, "operations", d->operations);
	add_seal(w, d);
	jsonw_object_end(w);
}

int
action_build(const struct action_draft *d, struct buf *out, struct err *e)
{
	uint8_t nonce[ACTION_NONCE_LEN];
	char hex[2 * ACTION_NONCE_LEN + 1];
	size_t start = out->len;
	struct action check;
	struct jsonw w;
	int rc;

	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		return err_errno(e, "getrandom");
	hex_encode(nonce, sizeof(nonce), hex);
	jsonw_init(&w, out);
	add_document(&w, d, hex);
	if (out->error != 0) {
		rc = err_set(e, out->error, "action: %s", err_text(out->error));
	} else {
		rc = action_parse(
		    out->data + start, out->len - start, &check, e);
		if (rc == 0)
			action_release(&check);
	}
	if (rc != 0)
		out->len = start;
	return rc;
}
