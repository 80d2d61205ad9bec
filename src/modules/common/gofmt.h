/* SPDX-License-Identifier: MPL-2.0 */
/* Values as the original (written in Go) printed them. */
#ifndef MIG_MODULES_COMMON_GOFMT_H
#define MIG_MODULES_COMMON_GOFMT_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define GO_MODE_MAX 32
#define GO_TIME_MAX 64
#define GO_DURATION_MAX 48

/* os.FileMode.String(): "-rw-r--r--", "urwxr-xr-x", "dtrwxrwxrwx". */
void go_mode(mode_t mode, char out[static GO_MODE_MAX]);
/* time.Time.String() in UTC: "2001-09-09 01:46:40.5 +0000 UTC". */
void go_time(const struct timespec *t, char out[static GO_TIME_MAX]);
/* time.Duration.String(): "1.5ms", "1m2s". */
void go_duration(int64_t ns, char out[static GO_DURATION_MAX]);

#endif
