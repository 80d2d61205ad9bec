/* SPDX-License-Identifier: MPL-2.0 */
/* The checker and translator of regular expressions: whatever is accepted is
 * written in every form, and PCRE2 takes what was written unless it is too
 * large for it. */
#include "base/buf.h"
#include "base/err.h"
#include "modules/regex.h"
#include "scan/kept.h"
#include "scan/match.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_engine(const char *bytes, enum match_mode mode)
{
	struct match_pattern p = { .bytes = bytes };
	struct match *m;
	struct err e;
	size_t bad;

	if (strlen(bytes) > 4096)
		return;
	if (match_new(&p, 1, mode, MATCH_PCRE2, &m, &bad, &e) == 0)
		match_free(m);
	else if (kept_is_sure(&p, 1) ||
	    (strstr(e.msg, "too large") == NULL &&
		strstr(e.msg, "too complicated") == NULL))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct regex *re;
	struct buf out;
	uint64_t cost;
	int form;

	memcpy(text, data, size);
	text[size] = '\0';
	buf_init(&out, 16 * 1024 * 1024);
	if (regex_parse(text, &re, NULL) == 0) {
		for (form = REGEX_TEXT; form <= REGEX_WHOLE_LINES; form++) {
			buf_clear(&out);
			if (regex_write(re, (enum regex_form)form, &out) == 0 &&
			    buf_str(&out) != NULL)
				try_engine(buf_str(&out),
				    form == REGEX_TEXT ? MATCH_TEXT
						       : MATCH_LINES);
		}
		regex_free(re);
	} else if (regex_check(text, &cost, NULL) == 0) {
		abort(); /* a check must not promise more */
	}
	buf_release(&out);
	free(text);
	return 0;
}
