/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Versions of packages, compared by each system's own rules:
 *   dpkg  [EPOCH:]UPSTREAM[-REVISION], deb-version(7), Debian Policy 5.6.12;
 *         "~" sorts before the end, letters before other characters
 *   rpm   [EPOCH:]VERSION[-RELEASE], rpm-version(7); segments of digits and of
 *         letters, "~" sorts before the end, "^" behind it
 * A missing epoch is 0 in both.
 */
#ifndef MIG_MODULES_PKG_VERSION_H
#define MIG_MODULES_PKG_VERSION_H

#include <stdbool.h>
#include <stddef.h>

struct err;

enum pkg_type { PKG_DPKG, PKG_RPM, PKG_TYPES };
extern const char *const pkg_type_names[PKG_TYPES]; /* "dpkg", "rpm" */

#define VERSION_MAX 256 /* bytes of one that is asked for */

/* Below, equal to or above 0. Every string is taken; what is no version of
 * that system still has one place in the order. */
int version_compare(enum pkg_type type, const char *a, const char *b);

enum version_op {
	VERSION_LT,
	VERSION_LE,
	VERSION_EQ,
	VERSION_GE,
	VERSION_GT,
	VERSION_NE
};

/* "<1:2.0-1": how an installed version must stand to one asked for. */
struct version_test {
	enum version_op op;
	const char *version; /* borrowed from the text */
};

/* Does text begin with an operator? No version has one in it, so it cannot be
 * meant as a regular expression. */
bool version_is_test(const char *text);
/* Blanks may stand behind the operator; == and <>, << and >> are taken as
 * well. ERR_INVALID says what was expected. */
int
version_test_parse(const char *text, struct version_test *ret, struct err *e);
/* With rpm a version asked for without release leaves the release open, as
 * in rpm's own dependencies. */
bool version_test_holds(
    const struct version_test *t, enum pkg_type type, const char *installed);
/* Is there certainly no version, of dpkg or of rpm, for which both hold? */
bool version_tests_exclude(
    const struct version_test *a, const struct version_test *b);
/* Does this version have an epoch above 0, and the one asked for none? Then
 * the comparison is decided by that, which surprises people. */
bool version_epoch_decides(const struct version_test *t, const char *installed);

#endif
