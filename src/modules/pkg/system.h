/* SPDX-License-Identifier: MPL-2.0 */
/* Where a system keeps its package databases, and reading all of them. */
#ifndef MIG_MODULES_PKG_SYSTEM_H
#define MIG_MODULES_PKG_SYSTEM_H

#include "modules/pkg/reader.h"

struct err;
struct fence;
struct os_mounts;

/* Directories below a root: X(path, type). On some systems the later ones are
 * links to the others. */
#define PKG_DIRECTORIES(X)                  \
	X("/var/lib/dpkg", PKG_DPKG)        \
	X("/var/lib/rpm", PKG_RPM)          \
	X("/usr/lib/sysimage/rpm", PKG_RPM) \
	X("/usr/share/rpm", PKG_RPM)

/* Why a database was not read, or not to its end: X(name, word). */
#define PKG_GAPS(X)                                                            \
	X(GAP_MISSING, "missing")       /* nothing is where one should be */   \
	X(GAP_NO_ROOT, "rootmissing")   /* no directory of that name */        \
	X(GAP_UNREADABLE, "unreadable") /* no permission */                    \
	X(GAP_IO, "ioerror")                                                   \
	X(GAP_CORRUPT, "corrupt")         /* databases or records */           \
	X(GAP_CHANGED, "changed")         /* written again and again */        \
	X(GAP_UNSUPPORTED, "unsupported") /* a form that is not known */       \
	X(GAP_OUTSIDE, "symlinkoutside")  /* a link that leaves the root */    \
	X(GAP_FENCED, "policypaths")      /* outside what the policy allows */ \
	X(GAP_REMOTE, "remotefs")                                              \
	X(GAP_AUTOMOUNT, "automount") /* looking would mount it */             \
	X(GAP_COVERED, "agentstate")                                           \
	X(GAP_ENGINE, "enginelimit") /* an expression was given up */          \
	X(GAP_MEMORY, "memorylimit")                                           \
	X(GAP_OUTPUT, "outputlimit")                                           \
	X(GAP_TIME, "timelimit")                                               \
	X(GAP_CPU, "cpulimit")                                                 \
	X(GAP_STOPPED, "stopped")

enum pkg_gap {
#define PKG_GAP_ENUM(name, word) name,
	PKG_GAPS(PKG_GAP_ENUM)
#undef PKG_GAP_ENUM
	    PKG_GAPS_ALL
};

struct system_ops {
	struct pkg_reader reader; /* its arg goes to all of them */
	/* Before a database is read, and again when it is read once more:
	 * nothing counts that came since the last begin without end. */
	void (*begin)(const char *path, const char *form, void *arg);
	void (*end)(void *arg); /* what came since begin counts */
	void (*gap)(
	    enum pkg_gap gap, const char *path, const char *why, void *arg);
};

/* All databases of the system below root ("/" or another directory). mounts
 * may be NULL. Links may not lead out of root. fence: the policy's paths for a
 * root that was asked for; NULL: none. */
void system_read(const char *root, const struct os_mounts *mounts,
    const struct fence *fence, const struct system_ops *ops);

#endif
