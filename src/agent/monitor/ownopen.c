/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/ownopen.h"

#include "agent/store/journal.h"
#include "agent/store/ownrecord.h"
#include "agent/store/spool.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

bool
own_expected(bool had_journal, const char *spool_dir)
{
	return had_journal || spool_count(spool_dir) > 0;
}

static int
put_aside(const char *path, const char *why, struct err *e)
{
	char aside[PATH_MAX + 32];

	log_error("record_damaged path=%s why=%s", path, log_quote(why));
	snprintf(aside, sizeof(aside), "%s.damaged-%" PRId64, path,
	    clock_wall_ms() / 1000);
	return rename(path, aside) == 0 ? 0 : err_errno(e, "%s", path);
}

int
own_open(const char *path, struct spool *spool, bool expected,
    record_on_entry *on_entry, void *arg, struct record **ret, struct err *e)
{
	const char *note = NULL;
	struct err why;
	int rc = 0;

	if (access(path, F_OK) != 0 && errno == ENOENT)
		rc = spool_settle(spool, true, e);
	if (rc == 0)
		rc = record_open(path, on_entry, arg, ret, e);
	if (rc == 0 && record_position(*ret) == 0) {
		if (expected) {
			log_error("record_gone path=%s", path);
			note = "the record before this is gone";
		}
		rc = spool_settle(spool, true, e);
	}
	if (rc == ERR_INVALID || rc == ERR_TOOBIG) {
		why = *e;
		err_clear(e);
		note = "the record before this was damaged and put aside";
		rc = spool_settle(spool, true, e);
		if (rc == 0)
			rc = put_aside(path, why.msg, e);
		if (rc == 0)
			rc = record_open(path, NULL, NULL, ret, e);
	}
	if (rc != 0 || note == NULL)
		return rc;
	return own_add_note(*ret, clock_wall_ms(), note, e);
}

int
own_say_journal(
    struct record *r, const struct journal *j, const char *path, struct err *e)
{
	bool damaged = journal_was_damaged(j);
	char begins[RFC3339_LEN + 1], note[NOTE_MAX];

	if (!damaged && !journal_was_lost(j))
		return 0;
	rfc3339_format(journal_not_before(j), begins);
	snprintf(note, sizeof(note),
	    "the journal %s and started anew: what is signed before %s is "
	    "refused",
	    damaged ? "was damaged" : "before this is gone", begins);
	log_error("%s path=%s why=%s",
	    damaged ? "journal_damaged" : "journal_gone", path,
	    log_quote(note));
	return own_add_note(r, clock_wall_ms(), note, e);
}
