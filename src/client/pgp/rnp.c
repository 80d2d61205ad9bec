/* SPDX-License-Identifier: MPL-2.0 */
#include "client/pgp/rnp.h"

#include "scan/lib.h"

struct rnp rnp;

int
rnp_load(struct err *e)
{
	static const struct lib_symbol symbols[] = {
#define SYMBOL(name) { "rnp_" #name, &rnp.name },
		RNP_FUNCTIONS(SYMBOL)
#undef SYMBOL
	};
	static bool loaded;

	return lib_load("librnp.so.0", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &loaded, e);
}
