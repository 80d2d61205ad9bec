/* SPDX-License-Identifier: MPL-2.0 */
/* The envelope as JSON, for people and the API. */
#include "action/envelope.h"

#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

#include <string.h>

/* A document of the greatest length may need six bytes for each of its own. */
#define ENVELOPE_JSON_MAX \
	((size_t)6 * ENVELOPE_DOC_MAX + (size_t)SIGS_MAX * 4 * SIGPACKET_MAX)

/* Raw packets of the "signatures", one after the other in packets. */
static int
read_signatures(const json_t *list, struct buf *packets, struct envelope *env,
    struct err *e)
{
	size_t i, n = json_array_size(list), at, lens[SIGS_MAX];
	const char *text;

	if (n > SIGS_MAX)
		return err_set(
		    e, ERR_INVALID, "signatures: %zu, at most %d", n, SIGS_MAX);
	for (i = 0; i < n; i++) {
		text = json_string_value(json_array_get(list, i));
		if (text == NULL)
			return err_set(e, ERR_INVALID,
			    "signatures[%zu]: expected a string", i);
		at = packets->len;
		if (dearmor_signature(text, strlen(text), packets, e) != 0)
			return err_wrap(e, "signatures[%zu]", i);
		lens[i] = packets->len - at;
	}
	for (i = 0, at = 0; i < n; at += lens[i], i++) {
		env->sigs[i].data = packets->data + at;
		env->sigs[i].len = lens[i];
	}
	env->nsigs = n;
	return 0;
}

int
envelope_from_value(const struct json_t *value, struct buf *out, struct err *e)
{
	static const char *const keys[] = { "document", "signatures", NULL };
	struct envelope env = { 0 };
	struct buf packets;
	const char *doc;
	json_t *list;
	int rc;

	if ((rc = json_only_keys(value, "", keys, e)) != 0 ||
	    (rc = json_need_str(value, "", "document", &doc, e)) != 0 ||
	    (rc = json_need_array(value, "", "signatures", &list, e)) != 0)
		return rc;
	env.doc = (const uint8_t *)doc;
	env.doc_len = strlen(doc);
	if (env.doc_len == 0 || env.doc_len > ENVELOPE_DOC_MAX)
		return err_set(e, ERR_INVALID,
		    "document: %zu bytes, expected 1 to %d", env.doc_len,
		    ENVELOPE_DOC_MAX);
	buf_init(&packets, (size_t)SIGS_MAX * SIGPACKET_MAX);
	rc = read_signatures(list, &packets, &env, e);
	if (rc == 0)
		rc = envelope_write(&env, out, e);
	buf_release(&packets);
	return rc;
}

int
envelope_from_json(const void *text, size_t len, struct buf *out, struct err *e)
{
	json_t *root = json_strict(text, len, ENVELOPE_JSON_MAX, e);
	int rc;

	if (root == NULL)
		return e == NULL ? ERR_INVALID : e->code;
	rc = envelope_from_value(root, out, e);
	json_decref(root);
	return rc;
}

static int
add_signature(json_t *list, const struct sig_bytes *sig)
{
	struct buf text;
	int rc;

	buf_init(&text, (size_t)2 * SIGPACKET_MAX + 256);
	rc = armor_signature(sig->data, sig->len, &text);
	if (rc == 0 &&
	    json_array_append_new(
		list, json_stringn((const char *)text.data, text.len)) != 0)
		rc = ERR_NOMEM;
	buf_release(&text);
	return rc;
}

struct json_t *
envelope_to_json(const struct envelope *env, struct err *e)
{
	json_t *root, *list, *doc;
	size_t i;
	int rc = 0;

	doc = json_stringn((const char *)env->doc, env->doc_len);
	if (doc == NULL && str_is_utf8(env->doc, env->doc_len)) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	if (doc == NULL || memchr(env->doc, '\0', env->doc_len) != NULL) {
		json_decref(doc);
		err_set(e, ERR_INVALID, "envelope: the document is no text");
		return NULL;
	}
	root = json_object();
	list = json_array();
	if (json_object_set_new(root, "document", doc) != 0 ||
	    json_object_set_new(root, "signatures", list) != 0)
		rc = ERR_NOMEM;
	for (i = 0; rc == 0 && i < env->nsigs; i++)
		rc = add_signature(list, &env->sigs[i]);
	if (rc != 0) {
		json_decref(root);
		err_set(e, rc, "envelope: %s", err_text(rc));
		return NULL;
	}
	return root;
}
