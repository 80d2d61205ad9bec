/* SPDX-License-Identifier: MPL-2.0 */
/* Answers that are narrowed in pieces: the first byte chooses module, detail
 * and privacy, the second the pieces. What is let through is what narrowing
 * the whole leaves; what is no JSON is not let through. */
#include "base/err.h"
#include "json/json.h"
#include "modules/narrowing.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536
#define OUT_MAX (4 * TEXT_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
in_pieces(const struct module *m, enum detail d, bool privacy, const char *text,
    size_t len, size_t piece, struct buf *out)
{
	struct narrowing n;
	struct err e;
	size_t k;
	int rc;

	err_clear(&e);
	narrowing_begin(&n, m, d, privacy, out, OUT_MAX);
	for (; len > 0; text += k, len -= k) {
		k = len < piece ? len : piece;
		buf_add(&n.in, text, k);
		buf_hand_on(&n.in);
	}
	rc = narrowing_end(&n, &e);
	BUG_ON(rc != 0 && e.code != rc);
	narrowing_release(&n);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;
	const struct module *const *all = module_all(&n), *m;
	enum detail d;
	bool privacy;
	struct buf out;
	json_t *v, *got;
	char *text;
	int rc;

	if (size < 2 || size > TEXT_MAX)
		return 0;
	m = all[data[0] % n];
	d = (enum detail)(data[0] / n % DETAILS);
	privacy = (data[0] & 0x80) != 0;
	if (d == DETAIL_FULL && !privacy)
		return 0;
	buf_init(&out, OUT_MAX);
	v = json_strict(data + 2, size - 2, TEXT_MAX, NULL);
	/* as the worker writes it, or just as it is */
	text = v != NULL ? json_text(v, JSON_COMPACT) : NULL;
	if (text != NULL)
		rc = in_pieces(
		    m, d, privacy, text, strlen(text), data[1] + 1u, &out);
	else
		rc = in_pieces(m, d, privacy, (const char *)data + 2, size - 2,
		    data[1] + 1u, &out);
	if (rc == 0) {
		got = json_read(out.data, out.len, 0, NULL);
		BUG_ON(got == NULL);
		if (text != NULL) {
			BUG_ON(narrow_answer(m, d, privacy, v) != 0);
			BUG_ON(!json_equal(got, v));
		}
		json_decref(got);
	}
	free(text);
	json_decref(v);
	buf_release(&out);
	return 0;
}
