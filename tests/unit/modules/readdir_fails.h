/* SPDX-License-Identifier: MPL-2.0 */
/* readdir(3) that fails on demand; to be linked with -Wl,--wrap=readdir64. */
#ifndef MIG_TESTS_UNIT_MODULES_READDIR_FAILS_H
#define MIG_TESTS_UNIT_MODULES_READDIR_FAILS_H

#include <dirent.h>
#include <errno.h>

struct dirent *__real_readdir64(DIR *dir);
struct dirent *__wrap_readdir64(DIR *dir);

static int entries_left = -1; /* until reading a directory fails; -1: never */

struct dirent *
__wrap_readdir64(DIR *dir)
{
	if (entries_left == 0) {
		errno = EIO;
		return NULL;
	}
	entries_left -= entries_left > 0;
	return __real_readdir64(dir);
}

#endif
