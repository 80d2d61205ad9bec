/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/rpmdb.h"

#include "base/buf.h"
#include "base/err.h"
#include "modules/pkg/rpmheader.h"

#define EVR_MAX 65536

void
rpmdb_blob(
    const struct pkg_reader *r, uint64_t number, const void *blob, size_t len)
{
	struct package p = { .type = PKG_RPM, .state = "" };
	struct rpm_header h;
	struct buf evr;
	struct err e;

	if (rpm_header_parse(blob, len, &h, &e) != 0) {
		reader_damaged(
		    r, "package %llu: %s", (unsigned long long)number, e.msg);
		return;
	}
	buf_init(&evr, EVR_MAX);
	if (h.has_epoch)
		buf_add_fmt(&evr, "%u:", h.epoch);
	buf_add_fmt(&evr, "%s-%s", h.version, h.release);
	p.name = h.name;
	p.arch = h.arch;
	p.version = buf_str(&evr);
	if (p.version != NULL)
		r->package(&p, r->arg);
	else
		reader_damaged(r, "package %llu: its version is too long",
		    (unsigned long long)number);
	buf_release(&evr);
}
