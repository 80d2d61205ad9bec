/* SPDX-License-Identifier: MPL-2.0 */
/* Between scan/match.c and its engines. */
#ifndef MIG_SCAN_MATCH_ENGINE_H
#define MIG_SCAN_MATCH_ENGINE_H

#include "scan/match.h"

struct match_ops {
	/* ids: numbers of the n patterns. On ERR_INVALID *ret_bad is the
	 * place in ids of the refused one, or n. */
	int (*compile)(const struct match_pattern *patterns,
	    const uint32_t *ids, size_t n, enum match_mode mode, void **ret,
	    size_t *ret_bad, struct err *e);
	void (*release)(void *impl);
	const char *(*name)(const void *impl);
	int (*state_new)(void *impl, void **ret, struct err *e);
	void (*state_free)(void *state);
	void (*text)(
	    void *state, struct match_state *st, const void *data, size_t len);
	void (*begin)(void *state, struct match_state *st);
	void (*feed)(
	    void *state, struct match_state *st, const void *data, size_t len);
	void (*end)(void *state, struct match_state *st);
};

extern const struct match_ops match_hs_ops;
/* By itself, as far as that is quickly known; when it is loaded. */
bool match_hs_refuses(const struct match_pattern *p, enum match_mode mode);
extern const struct match_ops match_pcre2_ops;
/* PCRE2 for patterns that all have a literal: each is compiled when its
 * literal is first seen and runs only over pieces that have it. */
extern const struct match_ops match_sieve_ops;

/* A few patterns that are plain, without a library. */
extern const struct match_ops match_plain_ops;

/* A match of a pattern that ends at this offset. */
void match_hit(struct match_state *st, uint32_t id, bool count, uint64_t to);

/* A match of it may have been lost. */
void match_cut(struct match_state *st, uint32_t id);

/* Its match may be longer than what PCRE2 keeps of a stream. */
bool match_is_long(const struct match_pattern *p, enum match_mode mode);

#endif
