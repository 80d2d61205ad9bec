/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A few patterns that are plain text behind scan/match.h, by memmem(3), and in
 * short texts those that match anything. It
 * loads and compiles nothing, so it is first where there is little to read.
 *
 * In lines a pattern becomes a needle in which ^ and $ are newlines; the
 * stream begins as if after one, and ends with one. In other streams nothing
 * is anchored. What could be the begin of a needle at the end of a piece is
 * kept in front of the next piece.
 */
#include "scan/match_engine.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX 8
#define NEEDLE_MAX 64
#define JOIN_MAX (2 * NEEDLE_MAX)

struct needle {
	uint32_t id;
	enum regex_any any;
	bool at_begin, at_end;
	size_t len;
	uint8_t bytes[NEEDLE_MAX];
};

struct plain_impl {
	enum match_mode mode;
	size_t n;
	size_t keep; /* bytes of the longest needle but one */
	struct needle needles[PATTERNS_MAX];
};

struct plain_state {
	const struct plain_impl *impl;
	uint64_t offset; /* of the next byte */
	size_t len;      /* kept of what came before */
	uint8_t tail[NEEDLE_MAX];
};

static int
unsupported(struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "not a few plain patterns");
}

static void
needle_make(struct needle *nd, const struct match_pattern *p, uint32_t id,
    enum match_mode mode)
{
	bool lines = mode == MATCH_LINES;

	nd->id = id;
	nd->any = p->any;
	if (mode == MATCH_TEXT && nd->any != REGEX_ANY_NOT)
		return;
	nd->at_begin = p->at_begin;
	nd->at_end = p->at_end;
	if (lines && p->at_begin)
		nd->bytes[nd->len++] = '\n';
	memcpy(nd->bytes + nd->len, p->literal, p->literal_len);
	nd->len += p->literal_len;
	if (lines && p->at_end)
		nd->bytes[nd->len++] = '\n';
}

static bool
takes(const struct match_pattern *p, enum match_mode mode)
{
	if (mode == MATCH_TEXT && p->any != REGEX_ANY_NOT)
		return true;
	return p->plain && !p->count && p->literal_len > 0 &&
	    p->literal_len <= NEEDLE_MAX - 2 &&
	    (mode != MATCH_STREAM || (!p->at_begin && !p->at_end));
}

static int
plain_compile(const struct match_pattern *patterns, const uint32_t *ids,
    size_t n, enum match_mode mode, void **ret, size_t *ret_bad, struct err *e)
{
	struct plain_impl *impl;
	size_t i;

	if (n > PATTERNS_MAX)
		return unsupported(e);
	for (i = 0; i < n; i++) {
		if (!takes(&patterns[ids[i]], mode))
			return unsupported(e);
	}
	impl = calloc(1, sizeof(*impl));
	if (impl == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	impl->mode = mode;
	impl->n = n;
	for (i = 0; i < n; i++) {
		needle_make(&impl->needles[i], &patterns[ids[i]], ids[i], mode);
		if (impl->needles[i].len > impl->keep + 1)
			impl->keep = impl->needles[i].len - 1;
	}
	*ret = impl;
	return 0;
}

static const char *
plain_name(const void *impl)
{
	return "plain";
}

static int
plain_state_new(void *impl, void **ret, struct err *e)
{
	struct plain_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->impl = impl;
	*ret = s;
	return 0;
}

static bool
has_character(const uint8_t *text, size_t len)
{
	size_t i = 0;

	while (i < len && text[i] == '\n')
		i++;
	return i < len;
}

static bool
text_has(const struct needle *nd, const uint8_t *text, size_t len)
{
	if (nd->any != REGEX_ANY_NOT)
		return nd->any == REGEX_ANY_TEXT || has_character(text, len);
	if (len < nd->len || (nd->at_begin && nd->at_end && len != nd->len))
		return false;
	if (nd->at_begin)
		return memcmp(text, nd->bytes, nd->len) == 0;
	if (nd->at_end)
		return memcmp(text + len - nd->len, nd->bytes, nd->len) == 0;
	return memmem(text, len, nd->bytes, nd->len) != NULL;
}

static void
plain_text(void *arg, struct match_state *st, const void *data, size_t len)
{
	const struct plain_state *s = arg;
	size_t i;

	for (i = 0; i < s->impl->n; i++) {
		if (text_has(&s->impl->needles[i], data, len))
			match_hit(st, s->impl->needles[i].id, false, len);
	}
}

/* at: where data begins in the stream. */
static void
look(const struct plain_state *s, struct match_state *st, const uint8_t *data,
    size_t len, uint64_t at)
{
	const struct needle *nd;
	const uint8_t *p;
	size_t i;

	for (i = 0; i < s->impl->n; i++) {
		nd = &s->impl->needles[i];
		if (st->hits[nd->id] > 0 ||
		    (p = memmem(data, len, nd->bytes, nd->len)) == NULL)
			continue;
		match_hit(
		    st, nd->id, false, at + (uint64_t)(p - data) + nd->len);
	}
}

static void
plain_begin(void *arg, struct match_state *st)
{
	struct plain_state *s = arg;

	s->tail[0] = '\n';
	s->len = s->impl->mode == MATCH_LINES ? 1 : 0;
	s->offset = s->len;
}

/* The last bytes of tail and data become the new tail. */
static void
keep_tail(struct plain_state *s, const uint8_t *data, size_t len)
{
	size_t keep = s->impl->keep, old;

	if (len >= keep) {
		memcpy(s->tail, data + len - keep, keep);
		s->len = keep;
		return;
	}
	old = s->len + len > keep ? keep - len : s->len;
	memmove(s->tail, s->tail + s->len - old, old);
	memcpy(s->tail + old, data, len);
	s->len = old + len;
}

static void
plain_feed(void *arg, struct match_state *st, const void *data, size_t len)
{
	struct plain_state *s = arg;
	uint8_t join[JOIN_MAX];
	size_t head = len < s->impl->keep ? len : s->impl->keep;

	/* what lies across the border, then what lies in the piece */
	memcpy(join, s->tail, s->len);
	memcpy(join + s->len, data, head);
	look(s, st, join, s->len + head, s->offset - s->len);
	look(s, st, data, len, s->offset);
	keep_tail(s, data, len);
	s->offset += len;
}

static void
plain_end(void *arg, struct match_state *st)
{
}

const struct match_ops match_plain_ops = { plain_compile, free, plain_name,
	plain_state_new, free, plain_text, plain_begin, plain_feed, plain_end };
