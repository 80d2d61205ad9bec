/* SPDX-License-Identifier: MPL-2.0 */
#include "server/core/uncounted.h"

#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"

#include <string.h>

static bool
is_zero(const uint8_t fpr[static PGP_FPR_LEN])
{
	static const uint8_t zero[PGP_FPR_LEN];

	return (memcmp(fpr, zero, PGP_FPR_LEN) == 0);
}

void
uncounted_add(struct uncounted *u, const struct signer *s, const char *why)
{
	if (u->n == SIGS_MAX)
		return;
	memcpy(u->list[u->n].fpr, is_zero(s->person) ? s->key : s->person,
	    PGP_FPR_LEN);
	str_copy(u->list[u->n].why, UNCOUNTED_WHY_MAX, why);
	u->n++;
}

void
uncounted_json(const struct uncounted *u, struct jsonw *w, const char *key)
{
	char fpr[2 * PGP_FPR_LEN + 1];
	size_t i;

	jsonw_array(w, key);
	for (i = 0; i < u->n; i++) {
		hex_encode(u->list[i].fpr, PGP_FPR_LEN, fpr);
		jsonw_object(w, NULL);
		if (!is_zero(u->list[i].fpr))
			jsonw_str(w, "fingerprint", fpr);
		jsonw_str(w, "reason", u->list[i].why);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

void
uncounted_text(const struct uncounted *u, char ret[static UNCOUNTED_JSON_MAX])
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, UNCOUNTED_JSON_MAX - 1);
	jsonw_init(&w, &out);
	uncounted_json(u, &w, NULL);
	str_copy(ret, UNCOUNTED_JSON_MAX,
	    out.error == 0 && buf_str(&out) != NULL ? buf_str(&out) : "[]");
	buf_release(&out);
}
