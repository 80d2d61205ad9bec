/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/reader.h"

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define TEXT_MAX 512

int
reader_pread(int fd, void *out, size_t len, uint64_t offset, struct err *e)
{
	uint8_t *p = out;
	ssize_t n;

	while (len > 0) {
		n = pread(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "reading");
		if (n == 0)
			return err_set(e, ERR_INVALID,
			    "it ends at byte %llu, in the middle of a record",
			    (unsigned long long)offset);
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

void
reader_damaged(const struct pkg_reader *r, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->damaged(text, r->arg);
}
