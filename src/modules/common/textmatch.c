/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/common/textmatch.h"

#include "base/buf.h"
#include "base/err.h"
#include "modules/regex.h"
#include "scan/match.h"

#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX (64 * 1024 * 1024) /* bytes of all that are written */
#define MANY 32 /* from so many on Hyperscan is worth its loading */

/* The pattern and its literal go to text; *ret_offset SIZE_MAX: none. */
static int
write_pattern(const char *regex, struct match_pattern *ret, size_t *ret_offset,
    struct buf *text, struct err *e)
{
	uint8_t literal[REGEX_LITERAL_MAX];
	struct regex *re;
	int rc;

	if ((rc = regex_parse(regex, &re, e)) != 0)
		return rc;
	ret->literal_len = regex_literal(re, literal);
	ret->plain = regex_is_plain(re, &ret->at_begin, &ret->at_end);
	*ret_offset = text->len;
	rc = regex_write(re, REGEX_TEXT, text);
	regex_free(re);
	if (rc == ERR_NOTFOUND)
		*ret_offset = SIZE_MAX;
	else if (rc != 0 || buf_add_u8(text, '\0') != 0 ||
	    buf_add(text, literal, ret->literal_len) != 0)
		return err_set(e, ERR_TOOBIG, "the expressions are too large");
	return 0;
}

static int
write_patterns(const char *field, const char *const *regexes,
    struct match_pattern *patterns, size_t n, struct buf *text, struct err *e)
{
	size_t *offsets = calloc(n, sizeof(*offsets)), i;
	int rc = 0;

	if (offsets == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < n && rc == 0; i++) {
		rc = write_pattern(
		    regexes[i], &patterns[i], &offsets[i], text, e);
		if (rc != 0)
			err_wrap(e, "%s[%zu]", field, i);
	}
	/* where they are is known when text no longer grows */
	for (i = 0; i < n && rc == 0; i++) {
		if (offsets[i] == SIZE_MAX)
			continue;
		patterns[i].bytes = (const char *)text->data + offsets[i];
		patterns[i].literal =
		    text->data + offsets[i] + strlen(patterns[i].bytes) + 1;
	}
	free(offsets);
	return rc;
}

int
textmatch_init(struct textmatch *t, const char *field,
    const char *const *regexes, size_t n, struct err *e)
{
	struct match_pattern *patterns = calloc(n + 1, sizeof(*patterns));
	size_t bad = n;
	struct buf text;
	int rc;

	memset(t, 0, sizeof(*t));
	if (patterns == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	buf_init(&text, PATTERNS_MAX);
	rc = write_patterns(field, regexes, patterns, n, &text, e);
	if (rc == 0) {
		rc = match_new(patterns, n, MATCH_TEXT,
		    n < MANY ? MATCH_LIGHT : MATCH_BEST, &t->match, &bad, e);
		if (rc != 0 && bad < n)
			err_wrap(
			    e, "%s[%zu]: '%.256s'", field, bad, regexes[bad]);
	}
	if (rc == 0)
		rc = match_state_new(t->match, &t->state, e);
	free(patterns);
	buf_release(&text);
	if (rc != 0)
		textmatch_release(t);
	return rc;
}

void
textmatch_release(struct textmatch *t)
{
	match_state_free(t->state);
	match_free(t->match);
	memset(t, 0, sizeof(*t));
}

bool
textmatch_any(struct textmatch *t, const char *text, const char **unknown)
{
	match_text(t->state, text, strlen(text));
	if (t->state->nids > 0)
		return true;
	if (t->state->gave_up != NULL)
		*unknown = t->state->gave_up;
	return false;
}

const char *
textmatch_engine(const struct textmatch *t)
{
	return match_engine_name(t->match);
}
