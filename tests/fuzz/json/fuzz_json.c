/* SPDX-License-Identifier: MPL-2.0 */
/* The strict reader: what it takes, it takes again in its own words, and with a
 * string cut out; and what is plain, it takes, with the same members. */
#include "json/json.h"
#include "json/plain.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
cut_agrees(const uint8_t *data, size_t size, json_t *v)
{
	struct json_cut cut = { .key = "a" };
	const json_t *whole = json_object_get(v, cut.key);
	struct err e;
	json_t *w;

	w = json_strict_cut((const char *)data, size, 65536, &cut, &e);
	BUG_ON(w == NULL && v != NULL);
	BUG_ON(w != NULL && v == NULL && cut.text == NULL);
	if (v != NULL && cut.text != NULL) {
		BUG_ON(!json_is_string(whole) ||
		    json_string_length(whole) != cut.len ||
		    memcmp(json_string_value(whole), cut.text, cut.len) != 0);
		json_object_set_new(
		    w, cut.key, json_stringn(cut.text, cut.len));
	}
	BUG_ON(v != NULL && !json_equal(v, w));
	json_decref(w);
}

static void
plain_agrees(const uint8_t *data, size_t size, const json_t *v)
{
	json_t *made = json_object();
	struct json_member m;
	struct json_plain p;
	bool twice = false;
	int more;

	json_plain_init(&p, (const char *)data, size);
	while ((more = json_plain_next(&p, &m)) > 0) {
		twice |= json_object_getn(made, m.key, m.key_len) != NULL;
		json_object_setn_new(made, m.key, m.key_len,
		    m.string != NULL ? json_stringn(m.string, m.len)
				     : json_integer(m.number));
	}
	BUG_ON(more == 0 && !twice && !json_equal(v, made));
	json_decref(made);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "a", "bc", NULL };
	json_t *v, *again;
	struct err e;
	char *text;

	v = json_strict(data, size, 65536, &e);
	cut_agrees(data, size, v);
	plain_agrees(data, size, v);
	if (v == NULL) {
		BUG_ON(e.code >= 0 || e.msg[0] == '\0');
		return 0;
	}
	json_only_keys(v, "x", keys, &e);
	text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text != NULL) {
		again = json_strict(text, strlen(text), (size_t)1 << 20, &e);
		BUG_ON(again == NULL || !json_equal(v, again));
		json_decref(again);
	}
	free(text);
	json_decref(v);
	return 0;
}
