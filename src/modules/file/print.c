/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/print.h"

#include "modules/file/param.h"
#include "modules/print.h"
#include "modules/searches.h"

const char *const file_ordinary[] = { "special", "symlinkoutside",
	"symlinkbroken", "virtualfs", "loop", "vanished", "depthlimit",
	"missing", NULL };

static const char *
name(const json_t *match)
{
	return print_str(match, "file");
}

static void
text(struct buf *out, const json_t *match)
{
	const json_t *info = json_object_get(match, "fileinfo");
	const char *sha = print_str(info, "sha256");

	buf_add_str(out, " [lastmodified:");
	print_add(out, print_str(info, "lastmodified"));
	buf_add_str(out, ", mode:");
	print_add(out, print_str(info, "mode"));
	buf_add_fmt(out, ", size:%.0f", print_num(info, "size"));
	if (*sha != '\0') {
		buf_add_str(out, ", sha256:");
		print_add(out, sha);
	}
	buf_add_str(out, "]");
}

static void
columns(struct buf *out, const json_t *match)
{
	const json_t *info = json_object_get(match, "fileinfo");

	buf_add_fmt(out, ",%.0f", print_num(info, "size"));
	searches_column(out, print_str(info, "mode"));
	searches_column(out, print_str(info, "lastmodified"));
	searches_column(out, print_str(info, "sha256"));
}

static const struct searches_view view = { "file", file_kind_names, FILE_KINDS,
	name, text, columns };

int
file_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	return searches_print(&view, result, prefix, show, out, e);
}

int
file_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	return searches_csv(&view, result, prefix, out, e);
}
