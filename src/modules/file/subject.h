/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One entry of a directory while it is looked at: its metadata and an open
 * descriptor, fetched when first needed and never by its path again. FIFOs
 * and devices are never opened for reading.
 */
#ifndef MIG_MODULES_FILE_SUBJECT_H
#define MIG_MODULES_FILE_SUBJECT_H

#include "scan/walk.h"

#include <sys/stat.h>

struct subject {
	const struct walk_entry *en;
	struct stat st;
	char *real;  /* owned: where a link leads, as the kernel says */
	int link_fd; /* O_PATH of a link's target, or -1 */
	int fd;      /* for reading, or -1 */
	bool have_st;
	bool failed; /* reported; nothing more to learn, st holds */
};

enum subject_state {
	SUBJECT_FILE,   /* a regular file, st is valid */
	SUBJECT_OTHER,  /* nothing to look at, nothing to report */
	SUBJECT_FAILED, /* *ret_reason and *ret_why say why */
};

void subject_init(struct subject *s, const struct walk_entry *en);
void subject_release(struct subject *s);
/* Metadata; follows a link that is an entry only as far as walk_covers()
 * allows for at least one of the entry's scopes. */
enum subject_state subject_stat(struct subject *s, const struct walk *w,
    enum skip *ret_reason, const char **ret_why);
/* After SUBJECT_FILE: may this scope look at it? (Links only.) */
bool
subject_in_scope(const struct subject *s, const struct walk *w, uint32_t scope);
/* Opens for reading from the start (again); *ret_why as above. Needs
 * subject_stat() first, except for DT_REG: that gets its metadata here. */
enum subject_state
subject_open(struct subject *s, enum skip *ret_reason, const char **ret_why);

#endif
