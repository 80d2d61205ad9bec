/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One pass over the memory of a process for all patterns of a window.
 *
 *   smaps -> mappings -> [pagemap] -> runs of pages that hold something ->
 *   mem, in large pieces into one buffer -> patterns
 *
 * A run is what lies side by side, across mappings: the stream of match.h. Read
 * are pages that are in memory or in swap, whatever their protection; and of
 * mapped files, unless residentonly, what is not in memory, within bounds. A
 * page that was never touched is never read: it holds nothing, and reading
 * would make the kernel map or fill it. Devices are never read.
 */
#ifndef MIG_MODULES_MEMORY_LOOK_H
#define MIG_MODULES_MEMORY_LOOK_H

#include "modules/memory/param.h"
#include "modules/opener.h"
#include "os/os_process.h"
#include "scan/match.h"

struct err;
struct look; /* buffers, reused from process to process */

/* Of a mapped file so much that is not in memory is read at most. */
#define LOOK_FILE_MAX (256ull * 1024 * 1024)
/* The same where reading a hole takes memory (tmpfs). */
#define LOOK_TMPFS_MAX (4ull * 1024 * 1024)

enum look_end {
	LOOK_ALL,
	LOOK_ENOUGH,     /* the caller's enough() said so */
	LOOK_STOPPED,    /* the caller's stop() said so */
	LOOK_READ_LIMIT, /* *read_left is used up */
	LOOK_VANISHED,   /* the process ended */
	LOOK_FAILED      /* its maps cannot be read: e says why */
};

struct look_hit {
	uint32_t pattern;
	uint64_t end; /* address behind the last byte */
	const struct os_mapping *mapping;
};

struct look_job {
	struct opener_memory fds; /* stay the caller's */
	const struct memory_window *window;
	const struct os_devices *devices;
	struct match_state *match;
	uint64_t *read_left; /* bytes still allowed; counted down */
	bool no_scan;        /* as if the kernel had no PAGEMAP_SCAN */
	/* A pattern was seen: at least once, perhaps again. */
	void (*hit)(const struct look_hit *h, void *arg);
	/* A match of a pattern may have been lost in a run. */
	void (*cut)(uint32_t pattern, void *arg);
	bool (*enough)(void *arg); /* asked after hits */
	bool (*stop)(void *arg);   /* asked before each read */
	void *arg;
	/* results */
	uint64_t bytes;           /* read */
	uint64_t unreadable;      /* pages in memory that cannot be read */
	uint64_t devices_skipped; /* mappings */
	uint64_t absent; /* bytes of mapped files that are not in memory and
			    were not read; without a pagemap, of any memory */
	uint64_t absent_mappings; /* how many have such, but for a wish */
	char absent_first[512];
	const char *gave_up; /* an engine's, or NULL */
};

struct look *look_new(void); /* NULL: out of memory */
void look_free(struct look *l);
enum look_end look_run(struct look *l, struct look_job *job, struct err *e);

/* Reads maps or smaps from its begin and calls found for each mapping.
 * ERR_CLOSED: the process ended, and perhaps not all were there. */
int look_maps(
    struct look *l, int fd, os_mapping_found *found, void *arg, struct err *e);

/* Nothing that is memory: devices, views of the kernel. */
bool look_is_special(const struct os_mapping *m);

#endif
