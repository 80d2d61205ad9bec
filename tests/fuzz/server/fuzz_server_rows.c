/* SPDX-License-Identifier: MPL-2.0 */
/* Rows of the store with any bytes in them, through what the server does with
 * stored actions: the first byte splits envelope and target. */
#include "server/stored.h"

#include "action/envelope.h"
#include "base/err.h"
#include "crypto/purpose.h"
#include "server/store/actions.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct store_action a = { .name = "n", .investigators = "[]" };
	struct envelope env;
	char target[256];
	struct err e;
	size_t n;

	if (len < 1)
		return 0;
	n = data[0] < len - 1 ? data[0] : len - 1;
	memcpy(target, data + 1, n);
	target[n] = '\0';
	a.target = target;
	a.envelope = data + 1 + n;
	a.envelope_len = len - 1 - n;
	err_clear(&e);
	BUG_ON(stored_action(&a, &e) == 0); /* the id is no hash */
	BUG_ON(e.msg[0] == '\0');
	if (envelope_parse(a.envelope, a.envelope_len, &env, &e) != 0)
		return 0;
	purpose_hash(PURPOSE_ACTION, env.doc, env.doc_len, &a.id);
	BUG_ON(stored_document(&a, &e) != 0);
	err_clear(&e);
	if (stored_action(&a, &e) != 0)
		BUG_ON(e.msg[0] == '\0');
	return 0;
}
