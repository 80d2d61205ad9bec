/* SPDX-License-Identifier: MPL-2.0 */
/* Why something was not examined: X(name, word in answers). */
#ifndef MIG_SCAN_SKIP_H
#define MIG_SCAN_SKIP_H

#define SKIPS(X)                                                           \
	X(SKIP_MISSING, "missing")       /* a path that is not there */    \
	X(SKIP_UNREADABLE, "unreadable") /* no permission */               \
	X(SKIP_VANISHED, "vanished")     /* went away while looking */     \
	X(SKIP_IO, "ioerror")                                              \
	X(SKIP_SPECIAL, "special") /* FIFO, socket, device */              \
	X(SKIP_LINK_OUTSIDE, "symlinkoutside")                             \
	X(SKIP_LINK_BROKEN, "symlinkbroken")                               \
	X(SKIP_FENCED, "policypaths") /* outside what the policy allows */ \
	X(SKIP_LOOP, "loop")                                               \
	X(SKIP_REMOTE, "remotefs")                                         \
	X(SKIP_AUTOMOUNT, "automount") /* looking would mount it */        \
	X(SKIP_VIRTUAL, "virtualfs")                                       \
	X(SKIP_COVERED, "agentstate")                                      \
	X(SKIP_DEPTH, "depthlimit")   /* directories not entered */        \
	X(SKIP_MATCHES, "matchlimit") /* searches that ended early */      \
	X(SKIP_TIME, "timelimit")                                          \
	X(SKIP_CPU, "cpulimit")                                            \
	X(SKIP_STOPPED, "stopped")                                         \
	X(SKIP_READ, "readlimit")                                          \
	X(SKIP_OUTPUT, "outputlimit")                                      \
	X(SKIP_MEMORY, "memorylimit")                                      \
	X(SKIP_CORRUPT, "corrupt") /* damaged compressed file */           \
	X(SKIP_BOMB, "decompresslimit")                                    \
	X(SKIP_UNSUPPORTED, "unsupported") /* a library is missing */      \
	X(SKIP_ENGINE, "enginelimit")      /* an expression was given up */

enum skip {
#define SKIP_ENUM(name, word) name,
	SKIPS(SKIP_ENUM)
#undef SKIP_ENUM
	    SKIP_REASONS
};

#endif
