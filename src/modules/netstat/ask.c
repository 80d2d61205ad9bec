/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/netstat/ask.h"

#include "base/err.h"
#include "modules/params.h"
#include "modules/regex.h"

#include <stdlib.h>
#include <string.h>

#define PORTS 65536
#define PATTERNS_MANY 64 /* worth loading the faster engine */
#define PATTERN_MAX (16 * 1024 * 1024)

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

/* A text that was given twice is one question: its answer has one place. */
static int
take_values(
    struct ask_search *s, const json_t *list, size_t output_max, struct err *e)
{
	size_t n = json_array_size(list), i;
	json_t *seen = json_object();
	const char *text;
	int rc = 0;

	s->values = calloc(n + 1, sizeof(*s->values));
	if (seen == NULL || s->values == NULL)
		rc = no_memory(e);
	for (i = 0; i < n && rc == 0; i++) {
		text = json_string_value(json_array_get(list, i));
		if (json_object_get(seen, text) != NULL)
			continue;
		if (json_object_set_new(seen, text, json_true()) != 0)
			rc = no_memory(e);
		rows_init(&s->values[s->n].entries, 1, output_max);
		s->values[s->n++].text = text;
	}
	json_decref(seen);
	return rc;
}

static int
by_net(const void *a, const void *b)
{
	const struct ask_net *x = a, *y = b;

	if (x->net.bits != y->net.bits)
		return x->net.bits < y->net.bits ? -1 : 1;
	return memcmp(x->net.addr, y->net.addr, sizeof(x->net.addr));
}

static int
take_nets(struct ask_search *s, struct err *e)
{
	uint8_t bits;
	size_t i;
	int rc;

	s->nets = calloc(s->n + 1, sizeof(*s->nets));
	if (s->nets == NULL)
		return no_memory(e);
	for (i = 0; i < s->n; i++) {
		s->nets[i].value = (uint32_t)i;
		rc = netstat_net(s->values[i].text, &s->nets[i].net, e);
		if (rc != 0)
			return rc;
	}
	qsort(s->nets, s->n, sizeof(*s->nets), by_net);
	for (i = 0; i < s->n; i++) {
		bits = (uint8_t)s->nets[i].net.bits;
		if (s->nlengths == 0 || s->lengths[s->nlengths - 1] != bits)
			s->lengths[s->nlengths++] = bits;
	}
	return 0;
}

static int
take_ports(struct ask_search *s, struct err *e)
{
	uint16_t port;
	size_t i;
	int rc;

	s->ports = calloc(PORTS, sizeof(*s->ports));
	s->next = calloc(s->n, sizeof(*s->next));
	if (s->ports == NULL || s->next == NULL)
		return no_memory(e);
	/* "80" and "080" are two texts of one port */
	for (i = 0; i < s->n; i++) {
		rc = netstat_port(s->values[i].text, &port, e);
		if (rc != 0)
			return rc;
		s->next[i] = s->ports[port];
		s->ports[port] = (uint32_t)i + 1;
	}
	return 0;
}

/* MAC addresses are written in small letters; capitals mean the same. */
static int
write_pattern(
    const char *source, struct buf *text, bool *ret_any, struct err *e)
{
	struct regex *re;
	struct buf folded;
	int rc;

	buf_init(&folded, REGEX_MAX + 16);
	buf_add_str(&folded, "(?i)");
	buf_add_str(&folded, source);
	if (buf_str(&folded) == NULL) {
		buf_release(&folded);
		return no_memory(e);
	}
	rc = regex_parse(buf_str(&folded), &re, e);
	buf_release(&folded);
	if (rc != 0)
		return rc;
	rc = regex_write(re, REGEX_TEXT, text);
	regex_free(re);
	*ret_any = rc == 0;
	if (rc == ERR_NOTFOUND)
		rc = 0;
	buf_add_u8(text, '\0');
	return rc != 0 || text->error != 0 ? no_memory(e) : 0;
}

static int
build_match(struct ask_search *s, struct match_pattern *patterns,
    size_t *offsets, struct buf *text, struct err *e)
{
	size_t i, bad = s->n;
	int rc = 0;

	for (i = 0; i < s->n && rc == 0; i++) {
		bool any = false;

		offsets[i] = text->len;
		rc = write_pattern(s->values[i].text, text, &any, e);
		patterns[i].plain = any;
	}
	if (rc != 0)
		return rc;
	for (i = 0; i < s->n; i++) {
		if (patterns[i].plain)
			patterns[i].bytes =
			    (const char *)text->data + offsets[i];
		patterns[i].plain = false;
	}
	rc = match_new(patterns, s->n, MATCH_TEXT,
	    s->n < PATTERNS_MANY ? MATCH_LIGHT : MATCH_BEST, &s->match, &bad,
	    e);
	if (rc != 0)
		return bad < s->n ? err_wrap(e, "'%.256s'", s->values[bad].text)
				  : rc;
	return match_state_new(s->match, &s->state, e);
}

static int
take_patterns(struct ask_search *s, struct err *e)
{
	struct match_pattern *patterns = calloc(s->n, sizeof(*patterns));
	size_t *offsets = calloc(s->n, sizeof(*offsets));
	struct buf text;
	int rc;

	buf_init(&text, PATTERN_MAX);
	rc = patterns == NULL || offsets == NULL
	    ? no_memory(e)
	    : build_match(s, patterns, offsets, &text, e);
	buf_release(&text);
	free(patterns);
	free(offsets);
	return rc;
}

static int
take_search(struct ask *a, enum netstat_search which, struct err *e)
{
	struct ask_search *s = &a->searches[which];

	if (s->n == 0)
		return 0;
	switch (which) {
	case NETSTAT_LOCALMAC:
	case NETSTAT_NEIGHBORMAC:
		return take_patterns(s, e);
	case NETSTAT_LISTENINGPORT:
		return take_ports(s, e);
	default:
		return take_nets(s, e);
	}
}

int
ask_init(struct ask *a, const json_t *params, size_t output_max, struct err *e)
{
	size_t s;
	int rc = 0;

	memset(a, 0, sizeof(*a));
	for (s = 0; s < NETSTAT_SEARCHES && rc == 0; s++) {
		rc = take_values(&a->searches[s],
		    params_get(params, netstat_fields[s]), output_max, e);
		if (rc == 0)
			rc = take_search(a, s, e);
	}
	if (rc != 0)
		ask_release(a);
	return rc;
}

void
ask_release(struct ask *a)
{
	struct ask_search *s;
	size_t i, k;

	for (i = 0; i < NETSTAT_SEARCHES; i++) {
		s = &a->searches[i];
		for (k = 0; k < s->n; k++)
			rows_release(&s->values[k].entries);
		free(s->values);
		free(s->nets);
		free(s->ports);
		free(s->next);
		match_state_free(s->state);
		match_free(s->match);
	}
	memset(a, 0, sizeof(*a));
}

bool
ask_has(const struct ask *a, enum netstat_search s)
{
	return a->searches[s].n > 0;
}

/* The first that is not before the wanted one. */
static size_t
lower_bound(const struct ask_search *s, const struct ask_net *want)
{
	size_t lo = 0, hi = s->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (by_net(&s->nets[mid], want) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
ask_addr(struct ask *a, enum netstat_search which,
    const uint8_t addr[static 16], ask_on_match *cb, void *arg)
{
	struct ask_search *s = &a->searches[which];
	struct ask_net want;
	size_t k, i, bit;

	for (k = 0; k < s->nlengths; k++) {
		want.net.bits = s->lengths[k];
		memcpy(want.net.addr, addr, 16);
		for (bit = want.net.bits; bit < 128; bit++)
			want.net.addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
		for (i = lower_bound(s, &want);
		     i < s->n && by_net(&s->nets[i], &want) == 0; i++) {
			if (netstat_net_has(&s->nets[i].net, addr))
				cb(&s->values[s->nets[i].value], arg);
		}
	}
}

void
ask_mac(struct ask *a, enum netstat_search which, const char *mac,
    ask_on_match *cb, void *arg)
{
	struct ask_search *s = &a->searches[which];
	size_t i;

	if (s->n == 0)
		return;
	match_text(s->state, mac, strlen(mac));
	if (s->state->gave_up != NULL)
		s->gave_up = s->state->gave_up;
	for (i = 0; i < s->state->nids; i++)
		cb(&s->values[s->state->ids[i]], arg);
}

void
ask_port(struct ask *a, uint16_t port, ask_on_match *cb, void *arg)
{
	struct ask_search *s = &a->searches[NETSTAT_LISTENINGPORT];
	uint32_t i;

	for (i = s->n > 0 ? s->ports[port] : 0; i != 0; i = s->next[i - 1])
		cb(&s->values[i - 1], arg);
}
