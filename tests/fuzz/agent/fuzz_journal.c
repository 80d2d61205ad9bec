/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Replaying a journal whose chain is intact but whose entries are the
 * fuzzer's: it opens (perhaps anew), closes and opens again to the same state.
 * Input: entries of u8 type, u8 length, bytes.
 */
#include "agent/store/journal.h"

#include "base/err.h"
#include "record/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
on_open(
    const struct journal_entry *en, const struct journal_action *a, void *arg)
{
	BUG_ON(!id_equal(&en->id, &a->id));
	return 0;
}

static void
write_file(const char *path, const uint8_t *data, size_t size)
{
	struct record *r = NULL;
	size_t n;

	unlink(path);
	if (record_open(path, NULL, NULL, &r, NULL) != 0)
		return;
	while (size >= 2) {
		n = data[1];
		if (n > size - 2)
			n = size - 2;
		(void)record_append(r, data[0], data + 2, n, NULL);
		data += 2 + n;
		size -= 2 + n;
	}
	record_free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char dir[] = "/tmp/fuzz-journal-XXXXXX", path[64];
	struct journal *j = NULL;
	char aside[96];
	size_t count, cancels;
	int64_t floor, newest;

	if (path[0] == '\0') {
		BUG_ON(mkdtemp(dir) == NULL);
		snprintf(path, sizeof(path), "%s/j", dir);
		snprintf(aside, sizeof(aside), "%s.damaged-7", path);
	}
	write_file(path, data, size);
	if (journal_open(path, 8, 7, false, &j, NULL) == 0) {
		(void)journal_each_open(j, on_open, NULL, NULL);
		count = journal_count(j);
		cancels = journal_cancels(j);
		BUG_ON(cancels > CANCELS_MAX);
		floor = journal_floor(j);
		newest = journal_newest(j);
		BUG_ON(journal_not_before(j) < 1);
		BUG_ON(count > 8);
		journal_free(j);
		j = NULL;
		BUG_ON(journal_open(path, 8, 8, false, &j, NULL) != 0);
		BUG_ON(journal_count(j) != count || journal_floor(j) != floor);
		BUG_ON(journal_newest(j) != newest);
		BUG_ON(journal_cancels(j) > cancels);
		BUG_ON(journal_was_damaged(j));
		journal_free(j);
	}
	unlink(path);
	snprintf(aside, sizeof(aside), "%s.damaged-7", path);
	unlink(aside);
	rmdir(dir);
	path[0] = '\0';
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	return 0;
}
