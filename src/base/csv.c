/* SPDX-License-Identifier: MPL-2.0 */
#include "base/csv.h"

#include "base/str.h"

#include <string.h>

/* Also in their full-width forms, which are taken for the same. */
static bool
is_formula(const char *s)
{
	static const char *const begins[] = { "=", "+", "-", "@",
		"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0",
		NULL };
	size_t i;

	while (*s == ' ')
		s++;
	for (i = 0; begins[i] != NULL; i++)
		if (str_starts(s, begins[i]))
			return true;
	return false;
}

int
csv_field(struct buf *out, const char *s)
{
	struct buf value;
	const char *text;
	size_t i;

	buf_init(&value, out->max);
	str_add_printable(&value, s, strlen(s));
	text = buf_str(&value);
	if (text == NULL) {
		if (out->error == 0)
			out->error = value.error;
		buf_release(&value);
		return out->error;
	}
	buf_add_u8(out, '"');
	if (is_formula(text))
		buf_add_u8(out, '\'');
	for (i = 0; i < value.len; i++) {
		if (value.data[i] == '"')
			buf_add_u8(out, '"');
		buf_add_u8(out, value.data[i]);
	}
	buf_add_u8(out, '"');
	buf_release(&value);
	return out->error;
}
