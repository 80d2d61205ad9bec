/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parameters of the pkg module, for its check and its work alike:
 *
 *   {"pkgmatch": {"matches": [REGEX]}, "vermatch": REGEX | "!REGEX" | COMPARE,
 *    "vercmp": [COMPARE], "roots": [PATH]}
 *
 * COMPARE is an operator and a version: "<1:2.0-1".
 */
#ifndef MIG_MODULES_PKG_PARAM_H
#define MIG_MODULES_PKG_PARAM_H

#include "modules/module.h"
#include "modules/pkg/version.h"

#include <jansson.h>

struct err;

#define PKG_MATCHES_MAX 32768
#define PKG_COMPARES_MAX 64
#define PKG_ROOTS_MAX 1024
#define PKG_ROOT_MAX 4000 /* bytes of a path */

extern const struct param pkg_param_table[];

/* Everything is borrowed from the JSON but the lists themselves. */
struct pkg_params {
	const char **matches;
	size_t nmatches;
	const char *version; /* expression, without "!"; NULL: any */
	bool version_not;
	struct version_test *tests; /* all must hold */
	size_t ntests;
	const char **roots; /* none: this system itself */
	size_t nroots;
};

int pkg_params_parse(const json_t *json, struct pkg_params *ret, struct err *e);
void pkg_params_release(struct pkg_params *p);

#endif
