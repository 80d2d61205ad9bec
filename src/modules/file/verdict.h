/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A check's verdict is yes, no or unknown. What could not be read is unknown:
 * it is counted as not examined and never taken for a match, inverse checks
 * included. Lines already seen count even when the rest was not read.
 */
#ifndef MIG_MODULES_FILE_VERDICT_H
#define MIG_MODULES_FILE_VERDICT_H

#include "modules/file/plan.h"

#include <sys/stat.h>
#include <time.h>

enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN };

/* What is known of the stream that was read last; hits of its patterns are in
 * the plan's state. */
struct reading {
	bool complete;
	uint64_t lines;
	uint64_t stamp;
	uint32_t digest_hits; /* checks that want one of its digests */
	uint8_t sha256[32];
	bool have_sha256;
};

/* Of name, size, mode and times. now: when the run began. modes_run: the
 * expressions for modes were run on this entry; set when they are. */
enum verdict verdict_meta(struct plan *p, const struct plan_check *pc,
    const struct stat *st, const struct timespec *now, bool *modes_run);
enum verdict verdict_reading(const struct plan *p, const struct plan_check *pc,
    const struct reading *rd);

#endif
