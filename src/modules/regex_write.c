/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Writes a parsed expression as a pattern over bytes. Every byte stands as a
 * class or \xNN, so nothing depends on an engine's options or locale; only
 * ^ $ \A \z \b \B, (?: | ), greedy repeats and (?=) are used besides.
 */
#include "modules/regex_ast.h"

#include "base/err.h"

#include <string.h>

#define REST_OF_LINE "[^\\x0a]*\\x0a"

struct writer {
	struct buf *out;
	enum regex_form form;
	bool empty; /* it may match without taking a byte */
};

static bool
has_bit(const uint8_t *set, unsigned int bit)
{
	return (set[bit / 8] >> (bit % 8) & 1) != 0;
}

/* Bytes that match by themselves: ASCII members and raw bytes. */
static void
class_bytes(const struct cclass *c, enum regex_form form, uint8_t set[32])
{
	uint32_t b;
	size_t i;

	memset(set, 0, 32);
	for (i = 0; i < c->n; i++) {
		for (b = c->r[i].lo; b <= c->r[i].hi && b < 0x80; b++)
			set[b / 8] |= (uint8_t)(1u << (b % 8));
	}
	memcpy(set + 16, c->raw, 16);
	if (form != REGEX_TEXT)
		set['\n' / 8] &= (uint8_t) ~(1u << ('\n' % 8));
}

static bool
class_full_high(const struct cclass *c)
{
	const struct range *r = c->n > 0 ? &c->r[c->n - 1] : NULL;
	size_t i;

	for (i = 0; i < sizeof(c->raw); i++) {
		if (c->raw[i] != 0xff)
			return false;
	}
	return r != NULL && r->lo <= 0x80 && r->hi == RUNE_MAX;
}

static bool
class_has_high(const struct cclass *c)
{
	return c->n > 0 && c->r[c->n - 1].hi >= 0x80;
}

static bool
can_match(const struct node *n, enum regex_form form)
{
	const struct node *c;
	uint8_t set[32], any = 0;
	size_t i;

	switch (n->type) {
	case NODE_NEVER:
		return false;
	case NODE_CLASS:
		class_bytes(&n->cc, form, set);
		for (i = 0; i < sizeof(set); i++)
			any |= set[i];
		return any != 0 || class_has_high(&n->cc);
	case NODE_CAT:
		for (c = n->child; c != NULL; c = c->next) {
			if (!can_match(c, form))
				return false;
		}
		return true;
	case NODE_ALT:
		for (c = n->child; c != NULL; c = c->next) {
			if (can_match(c, form))
				return true;
		}
		return false;
	case NODE_REPEAT:
		return n->min == 0 || can_match(n->child, form);
	default:
		return true;
	}
}

static bool
nullable(const struct node *n)
{
	const struct node *c;

	switch (n->type) {
	case NODE_CLASS:
	case NODE_BYTE:
	case NODE_NEVER:
		return false;
	case NODE_CAT:
		for (c = n->child; c != NULL; c = c->next) {
			if (!nullable(c))
				return false;
		}
		return true;
	case NODE_ALT:
		for (c = n->child; c != NULL; c = c->next) {
			if (nullable(c))
				return true;
		}
		return false;
	case NODE_REPEAT:
		return n->min == 0 || nullable(n->child);
	default:
		return true;
	}
}

bool
regex_is_nullable(const struct regex *r)
{
	return nullable(r->root);
}

static void
put_range(struct buf *out, unsigned int lo, unsigned int hi)
{
	buf_add_fmt(out, "\\x%02x", lo);
	if (hi > lo + 1)
		buf_add_u8(out, '-');
	if (hi > lo)
		buf_add_fmt(out, "\\x%02x", hi);
}

/* A class of single bytes, or one \xNN. False when it is empty. */
static bool
put_set(struct buf *out, const uint8_t set[32])
{
	unsigned int b, end, n = 0;

	for (b = 0; b < 256; b++)
		n += has_bit(set, b);
	if (n == 0)
		return false;
	if (n > 1)
		buf_add_u8(out, '[');
	for (b = 0; b < 256; b = end + 1) {
		end = b;
		if (!has_bit(set, b))
			continue;
		while (end + 1 < 256 && has_bit(set, end + 1))
			end++;
		put_range(out, b, end);
	}
	if (n > 1)
		buf_add_u8(out, ']');
	return true;
}

size_t
regex_utf8(uint32_t r, uint8_t out[static 4])
{
	if (r < 0x80) {
		out[0] = (uint8_t)r;
		return 1;
	}
	if (r < 0x800) {
		out[0] = (uint8_t)(0xc0 | r >> 6);
		out[1] = (uint8_t)(0x80 | (r & 0x3f));
		return 2;
	}
	if (r < 0x10000) {
		out[0] = (uint8_t)(0xe0 | r >> 12);
		out[1] = (uint8_t)(0x80 | (r >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (r & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | r >> 18);
	out[1] = (uint8_t)(0x80 | (r >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (r >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (r & 0x3f));
	return 4;
}

static void
put_sequence(struct buf *out, uint32_t lo, uint32_t hi, bool *first)
{
	uint8_t a[4], b[4];
	size_t n = regex_utf8(lo, a), i;

	regex_utf8(hi, b);
	if (!*first)
		buf_add_u8(out, '|');
	*first = false;
	for (i = 0; i < n; i++) {
		/* lo and hi are of one length; NOLINTNEXTLINE */
		if (a[i] == b[i]) {
			put_range(out, a[i], a[i]);
			continue;
		}
		buf_add_u8(out, '[');
		put_range(out, a[i], b[i]);
		buf_add_u8(out, ']');
	}
}

/* Cuts lo..hi (same encoded length) where the encoding is not a product of
 * byte ranges. */
static void
put_utf8(struct buf *out, uint32_t lo, uint32_t hi, bool *first)
{
	uint32_t mask;
	unsigned int i;

	for (i = 1; i < 4 && lo < hi; i++) {
		mask = (1u << (6 * i)) - 1;
		if ((lo & ~mask) == (hi & ~mask))
			continue;
		if ((lo & mask) != 0) {
			put_utf8(out, lo, lo | mask, first);
			put_utf8(out, (lo | mask) + 1, hi, first);
			return;
		}
		if ((hi & mask) != mask) {
			put_utf8(out, lo, (hi & ~mask) - 1, first);
			put_utf8(out, hi & ~mask, hi, first);
			return;
		}
	}
	put_sequence(out, lo, hi, first);
}

static void
put_high(struct buf *out, const struct cclass *c, bool *first)
{
	static const uint32_t ends[] = { 0x7f, 0x7ff, 0xffff, RUNE_MAX };
	uint32_t lo, hi;
	size_t i, k;

	for (i = 0; i < c->n; i++) {
		for (k = 1; k < 4; k++) {
			lo = c->r[i].lo;
			hi = c->r[i].hi;
			if (lo <= ends[k - 1])
				lo = ends[k - 1] + 1;
			if (hi > ends[k])
				hi = ends[k];
			if (lo <= hi)
				put_utf8(out, lo, hi, first);
		}
	}
}

static void
put_class(struct writer *w, const struct cclass *c)
{
	uint8_t set[32];
	bool first;

	class_bytes(c, w->form, set);
	if (!class_has_high(c)) {
		put_set(w->out, set);
		return;
	}
	buf_add_str(w->out, "(?:");
	first = !put_set(w->out, set);
	if (class_full_high(c))
		buf_add_str(w->out,
		    "|[\\xc2-\\xdf][\\x80-\\xbf]"
		    "|[\\xe0-\\xef][\\x80-\\xbf]{2}"
		    "|[\\xf0-\\xf4][\\x80-\\xbf]{3}");
	else
		put_high(w->out, c, &first);
	buf_add_str(w->out, ")");
}

static void put_node(struct writer *w, const struct node *n);

static void
put_count(struct buf *out, uint32_t min, uint32_t max)
{
	if (min == 0 && max == UINT32_MAX)
		buf_add_u8(out, '*');
	else if (min == 1 && max == UINT32_MAX)
		buf_add_u8(out, '+');
	else if (min == 0 && max == 1)
		buf_add_u8(out, '?');
	else if (max == UINT32_MAX)
		buf_add_fmt(out, "{%u,}", min);
	else if (min == max)
		buf_add_fmt(out, "{%u}", min);
	else
		buf_add_fmt(out, "{%u,%u}", min, max);
}

static void
put_repeat(struct writer *w, const struct node *n)
{
	const struct node *c = n->child;
	uint32_t min = n->min, max = n->max;
	uint8_t set[32];

	if (max == 0 || !can_match(c, w->form))
		return;
	while ((c->type == NODE_CAT || c->type == NODE_ALT) &&
	    c->child != NULL && c->child->next == NULL)
		c = c->child;
	/* any number of any characters is any number of any bytes */
	if (max == UINT32_MAX && c->type == NODE_CLASS &&
	    class_full_high(&c->cc)) {
		if (min > 1) {
			put_class(w, &c->cc);
			put_count(w->out, min, min);
			min = 0;
		}
		class_bytes(&c->cc, w->form, set);
		put_set(w->out, set);
		put_count(w->out, min, max);
		return;
	}
	/* a class is one thing as it is; PCRE2 repeats it without a stack */
	if (c->type != NODE_CLASS)
		buf_add_str(w->out, "(?:");
	put_node(w, c);
	if (c->type != NODE_CLASS)
		buf_add_str(w->out, ")");
	if (min != 1 || max != 1)
		put_count(w->out, min, max);
}

static void
put_alt(struct writer *w, const struct node *n, bool tail,
    void (*put)(struct writer *, const struct node *))
{
	const struct node *c;
	bool first = true, group = n->child->next != NULL || tail;

	if (group)
		buf_add_str(w->out, "(?:");
	for (c = n->child; c != NULL; c = c->next) {
		if (!can_match(c, w->form))
			continue;
		if (!first)
			buf_add_u8(w->out, '|');
		first = false;
		put(w, c);
	}
	if (group)
		buf_add_str(w->out, ")");
}

static void
put_anchor(struct writer *w, enum node_type type)
{
	bool text = w->form == REGEX_TEXT;

	switch (type) {
	case NODE_BOL:
		buf_add_str(w->out, text ? "(?m:^)" : "^");
		/* Hyperscan sees no line begin behind a last newline, and
		 * leaves what looks ahead to PCRE2, which does. */
		if (text && w->empty)
			buf_add_str(w->out, "(?=)");
		break;
	case NODE_EOL:
		buf_add_str(w->out, text ? "(?m:$)" : "$");
		break;
	case NODE_BOT:
		buf_add_str(w->out, text ? "\\A" : "^");
		break;
	case NODE_EOT:
		buf_add_str(w->out, text ? "\\z" : "$");
		break;
	case NODE_WORD:
		buf_add_str(w->out, "\\b");
		break;
	case NODE_NOT_WORD:
		buf_add_str(w->out, "\\B");
		break;
	default:
		break;
	}
}

static void
put_node(struct writer *w, const struct node *n)
{
	const struct node *c;

	switch (n->type) {
	case NODE_CLASS:
		put_class(w, &n->cc);
		break;
	case NODE_BYTE:
		buf_add_str(w->out,
		    w->form == REGEX_TEXT ? "[\\x00-\\xff]" : "[^\\x0a]");
		break;
	case NODE_CAT:
		for (c = n->child; c != NULL; c = c->next)
			put_node(w, c);
		break;
	case NODE_ALT:
		put_alt(w, n, false, put_node);
		break;
	case NODE_REPEAT:
		put_repeat(w, n);
		break;
	default:
		put_anchor(w, n->type);
		break;
	}
}

/*
 * The node and the rest of its line. An end anchor in last place becomes the
 * newline itself, as Hyperscan takes no anchor before more.
 */
static void
put_to_newline(struct writer *w, const struct node *n)
{
	const struct node *c;

	switch (n->type) {
	case NODE_EOL:
	case NODE_EOT:
		buf_add_str(w->out, "\\x0a");
		return;
	case NODE_ALT:
		put_alt(w, n, true, put_to_newline);
		return;
	case NODE_CAT:
		for (c = n->child; c != NULL && c->next != NULL; c = c->next)
			put_node(w, c);
		if (c != NULL) {
			put_to_newline(w, c);
			return;
		}
		break;
	default:
		put_node(w, n);
		break;
	}
	buf_add_str(w->out, REST_OF_LINE);
}

int
regex_write(const struct regex *r, enum regex_form form, struct buf *out)
{
	struct writer w = { .out = out, .form = form };

	w.empty = nullable(r->root);
	if (!can_match(r->root, form))
		return ERR_NOTFOUND;
	if (form == REGEX_WHOLE_LINES)
		put_to_newline(&w, r->root);
	else
		put_node(&w, r->root);
	return out->error;
}
