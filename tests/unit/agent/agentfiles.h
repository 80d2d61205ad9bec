/* SPDX-License-Identifier: MPL-2.0 */
/* What a monitor keeps on the disk, in a directory of the test's own. */
#ifndef MIG_TESTS_UNIT_AGENT_AGENTFILES_H
#define MIG_TESTS_UNIT_AGENT_AGENTFILES_H

#include "agent/monitor/monitor.h"
#include "agent/store/journal.h"
#include "agent/store/spool.h"
#include "base/err.h"
#include "record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES_QUOTA (16 << 20)

enum { FILE_JOURNAL = 1, FILE_RECORD = 2, FILE_SPOOL = 4 };

/* Opens those, each by its name in the directory, which is made. */
static inline void
files_open(
    struct agent *a, char dir[static 64], unsigned int which, int64_t now)
{
	char path[128];
	struct err e;

	err_clear(&e);
	strcpy(dir, "/tmp/mig-test-agent-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/spool", dir);
	if ((which & FILE_SPOOL) != 0)
		assert_int_equal(
		    spool_open(path, FILES_QUOTA, now, &a->spool, &e), 0);
	snprintf(path, sizeof(path), "%s/journal", dir);
	if ((which & FILE_JOURNAL) != 0)
		assert_int_equal(journal_open(path, JOURNAL_MAX, now, false,
				     &a->journal, &e),
		    0);
	snprintf(path, sizeof(path), "%s/record", dir);
	if ((which & FILE_RECORD) != 0)
		assert_int_equal(
		    record_open(path, NULL, NULL, &a->record, &e), 0);
}

/* Closes and removes them. */
static inline void
files_close(struct agent *a, const char *dir)
{
	char command[128];

	spool_free(a->spool);
	journal_free(a->journal);
	record_free(a->record);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

#endif
