/* SPDX-License-Identifier: MPL-2.0 */
#include "base/jsonw.h"

#include "base/clock.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>

void
jsonw_init(struct jsonw *w, struct buf *out)
{
	w->out = out;
	w->comma = false;
}

/* Length of the longest run at p that may stand in a string as it is. */
static size_t
plain_run(const uint8_t *p, size_t len)
{
	size_t n;

	for (n = 0; n < len; n++) {
		if (p[n] < 0x20 || p[n] == '"' || p[n] == '\\' || p[n] >= 0x7f)
			break;
	}
	return n;
}

static void
add_string(struct buf *out, const uint8_t *p, size_t len)
{
	uint32_t cp;
	size_t n;

	buf_add_u8(out, '"');
	while (len > 0) {
		n = plain_run(p, len);
		if (n > 0) {
			buf_add(out, p, n);
		} else if (p[0] >= 0x80 && (n = str_utf8(p, len, &cp)) > 0) {
			if (str_is_treacherous(cp))
				str_add_escape(out, cp);
			else
				buf_add(out, p, n);
		} else {
			n = 1;
			if (p[0] == '"' || p[0] == '\\')
				buf_add_fmt(out, "\\%c", p[0]);
			else if (p[0] == '\n')
				buf_add_str(out, "\\n");
			else if (p[0] == '\t')
				buf_add_str(out, "\\t");
			else if (p[0] < 0x80)
				buf_add_fmt(out, "\\u%04x", p[0]);
			else
				buf_add_str(out, "\\ufffd");
		}
		p += n;
		len -= n;
	}
	buf_add_u8(out, '"');
}

static void
begin(struct jsonw *w, const char *key)
{
	if (w->comma)
		buf_add_u8(w->out, ',');
	w->comma = true;
	if (key != NULL) {
		add_string(w->out, (const uint8_t *)key, strlen(key));
		buf_add_u8(w->out, ':');
	}
}

static void
open_with(struct jsonw *w, const char *key, char c)
{
	begin(w, key);
	buf_add_u8(w->out, (uint8_t)c);
	w->comma = false;
}

static void
close_with(struct jsonw *w, char c)
{
	buf_add_u8(w->out, (uint8_t)c);
	w->comma = true;
}

void
jsonw_object(struct jsonw *w, const char *key)
{
	open_with(w, key, '{');
}

void
jsonw_object_end(struct jsonw *w)
{
	close_with(w, '}');
}

void
jsonw_array(struct jsonw *w, const char *key)
{
	open_with(w, key, '[');
}

void
jsonw_array_end(struct jsonw *w)
{
	close_with(w, ']');
}

void
jsonw_strn(struct jsonw *w, const char *key, const void *value, size_t len)
{
	begin(w, key);
	add_string(w->out, value, len);
}

void
jsonw_str(struct jsonw *w, const char *key, const char *value)
{
	jsonw_strn(w, key, value, strlen(value));
}

void
jsonw_i64(struct jsonw *w, const char *key, int64_t value)
{
	begin(w, key);
	buf_add_fmt(w->out, "%" PRId64, value);
}

void
jsonw_u64(struct jsonw *w, const char *key, uint64_t value)
{
	begin(w, key);
	buf_add_fmt(w->out, "%" PRIu64, value);
}

void
jsonw_bool(struct jsonw *w, const char *key, bool value)
{
	begin(w, key);
	buf_add_str(w->out, value ? "true" : "false");
}

void
jsonw_null(struct jsonw *w, const char *key)
{
	begin(w, key);
	buf_add_str(w->out, "null");
}

void
jsonw_raw(struct jsonw *w, const char *key, const void *json, size_t len)
{
	begin(w, key);
	buf_add(w->out, json, len);
}

void
jsonw_time(struct jsonw *w, const char *key, int64_t ms)
{
	char text[RFC3339_LEN + 1];

	rfc3339_format(ms / 1000, text);
	jsonw_str(w, key, text);
}
