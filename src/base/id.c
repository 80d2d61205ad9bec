/* SPDX-License-Identifier: MPL-2.0 */
#include "base/id.h"

#include "base/err.h"
#include "base/hex.h"

#include <string.h>

bool
id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, ID_LEN) == 0;
}

bool
id_is_zero(const struct id *a)
{
	static const struct id zero;

	return id_equal(a, &zero);
}

struct id_hex
id_hex(const struct id *a)
{
	struct id_hex h;

	hex_encode(a->b, ID_LEN, h.s);
	return h;
}

struct id_hex
id_short(const struct id *a)
{
	struct id_hex h = id_hex(a);

	h.s[ID_SHORT_LEN] = '\0';
	return h;
}

int
id_parse(const char *s, struct id *ret_id)
{
	return hex_decode(s, ret_id->b, ID_LEN);
}

int
id_parse_lower(const char *s, struct id *ret_id)
{
	struct id id;

	if (id_parse(s, &id) != 0 || strcmp(s, id_hex(&id).s) != 0)
		return ERR_INVALID;
	*ret_id = id;
	return 0;
}
