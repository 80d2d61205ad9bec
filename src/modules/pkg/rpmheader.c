/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/rpmheader.h"

#include "base/buf.h"
#include "base/err.h"

#include <string.h>

#define ENTRY_LEN 16

enum tag {
	TAG_NAME = 1000,
	TAG_VERSION = 1001,
	TAG_RELEASE = 1002,
	TAG_EPOCH = 1003,
	TAG_ARCH = 1022
};
enum type { TYPE_INT32 = 4, TYPE_STRING = 6 };

struct entry {
	uint32_t tag, type, offset, count;
};

struct data {
	const uint8_t *p;
	size_t len;
};

static int
bad_entry(const struct entry *en, const char *what, struct err *e)
{
	return err_set(e, ERR_INVALID, "tag %u: %s", en->tag, what);
}

static int
take_string(const struct entry *en, const struct data *d, const char **ret,
    struct err *e)
{
	size_t left;

	if (en->type != TYPE_STRING || en->count != 1)
		return bad_entry(en, "not one string", e);
	left = en->offset < d->len ? d->len - en->offset : 0;
	/* thousands of entries may be about the same megabytes */
	if (left > RPM_STRING_MAX)
		left = RPM_STRING_MAX;
	if (left == 0 || memchr(d->p + en->offset, '\0', left) == NULL)
		return bad_entry(en,
		    left == RPM_STRING_MAX ? "its string is too long"
					   : "its string leaves the header",
		    e);
	*ret = (const char *)d->p + en->offset;
	return 0;
}

static int
take_epoch(const struct entry *en, const struct data *d, struct rpm_header *h,
    struct err *e)
{
	struct rd r;

	if (en->type != TYPE_INT32 || en->count != 1)
		return bad_entry(en, "not one number", e);
	if (en->offset > d->len || d->len - en->offset < sizeof(uint32_t))
		return bad_entry(en, "its number leaves the header", e);
	rd_init(&r, d->p + en->offset, sizeof(uint32_t));
	h->epoch = rd_u32(&r);
	h->has_epoch = true;
	return 0;
}

static int
take(const struct entry *en, const struct data *d, struct rpm_header *h,
    struct err *e)
{
	switch (en->tag) {
	case TAG_NAME:
		return take_string(en, d, &h->name, e);
	case TAG_VERSION:
		return take_string(en, d, &h->version, e);
	case TAG_RELEASE:
		return take_string(en, d, &h->release, e);
	case TAG_ARCH:
		return take_string(en, d, &h->arch, e);
	case TAG_EPOCH:
		return take_epoch(en, d, h, e);
	default:
		return 0;
	}
}

static bool
is_there(const char *s)
{
	return s != NULL && *s != '\0';
}

int
rpm_header_parse(
    const void *blob, size_t len, struct rpm_header *ret, struct err *e)
{
	struct rpm_header h = { .arch = "" };
	struct entry en;
	struct data d;
	struct rd r;
	uint32_t n, i;
	int rc;

	rd_init(&r, blob, len);
	n = rd_u32(&r);
	d.len = rd_u32(&r);
	if (r.bad || n == 0 || n > RPM_ENTRIES_MAX || d.len > RPM_HEADER_MAX ||
	    (uint64_t)n * ENTRY_LEN + d.len != r.left)
		return err_set(e, ERR_INVALID,
		    "%u entries and %zu bytes of data do not make a header "
		    "of %zu bytes",
		    n, d.len, len);
	d.p = r.p + (size_t)n * ENTRY_LEN;
	for (i = 0; i < n; i++) {
		en.tag = rd_u32(&r);
		en.type = rd_u32(&r);
		en.offset = rd_u32(&r);
		en.count = rd_u32(&r);
		if ((rc = take(&en, &d, &h, e)) != 0)
			return rc;
	}
	if (!is_there(h.name) || !is_there(h.version) || !is_there(h.release))
		return err_set(
		    e, ERR_INVALID, "no name, no version or no release");
	*ret = h;
	return 0;
}
