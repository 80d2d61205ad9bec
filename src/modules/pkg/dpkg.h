/* SPDX-License-Identifier: MPL-2.0 */
/*
 * dpkg's list of packages: paragraphs of "Field: value" lines, separated by
 * empty lines; deb822(5), dpkg(1) "Package states". In constant memory: of a
 * line only its first DPKG_LINE_MAX bytes are kept.
 */
#ifndef MIG_MODULES_PKG_DPKG_H
#define MIG_MODULES_PKG_DPKG_H

#include "modules/pkg/reader.h"

#define DPKG_LINE_MAX 1024

enum dpkg_field {
	DPKG_PACKAGE,
	DPKG_STATUS,
	DPKG_ARCHITECTURE,
	DPKG_VERSION,
	DPKG_FIELDS
};

struct dpkg_parser {
	const struct pkg_reader *reader; /* borrowed */
	/* A paragraph without Status is of an installed package: status.d of
	 * images that were made without dpkg. */
	bool all_installed;
	/* Every paragraph is told, with what dpkg calls it as state
	 * ("installed", "config-files", "not-installed" ...): for updates. */
	bool any_state;
	uint64_t line, begin; /* of the line at hand and of the paragraph */
	size_t len;           /* of line, what was cut included */
	bool any;             /* the paragraph has a line */
	bool bad;             /* ... and one that cannot be understood */
	char text[DPKG_LINE_MAX + 1];
	char field[DPKG_FIELDS][DPKG_LINE_MAX + 1]; /* "" when missing */
};

void dpkg_begin(struct dpkg_parser *p, const struct pkg_reader *r);
void dpkg_feed(struct dpkg_parser *p, const void *data, size_t len);
/* What ends in the middle of a line is damaged. */
void dpkg_end(struct dpkg_parser *p);
/* What is left of a file, and its end. ERR_TOOBIG when that is more than max
 * bytes; stops without error when the reader does. */
int dpkg_feed_file(struct dpkg_parser *p, int fd, uint64_t max, struct err *e);

#endif
