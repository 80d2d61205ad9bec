/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/print.h"

#include "modules/memory/param.h"
#include "modules/print.h"
#include "modules/searches.h"

#define PLACES_MAX (1024 * 1024) /* bytes of text */

const char *const memory_ordinary[] = { "vanished", "zombie", "agentprocess",
	"device", NULL };

/* "content='x' at 0x7f... in [heap]", separated by commas. */
static void
add_places(struct buf *out, const json_t *match)
{
	const json_t *places = json_object_get(match, "matches"), *v;
	const char *at, *what, *word;
	size_t i, n = json_array_size(places);

	for (i = 0; i < n; i++) {
		v = json_array_get(places, i);
		word = memory_kind_names[MEMORY_CONTENT].word;
		what = print_str(v, word);
		if (*what == '\0') {
			word = memory_kind_names[MEMORY_BYTES].word;
			what = print_str(v, word);
		}
		at = print_str(v, "address");
		buf_add_fmt(out, "%s%s='", i > 0 ? ", " : "", word);
		print_add(out, what);
		buf_add_str(out, *at != '\0' ? "' at " : "' ending at ");
		print_add(out, *at != '\0' ? at : print_str(v, "end"));
		at = print_str(v, "mapping");
		buf_add_str(out, " in ");
		print_add(out, *at != '\0' ? at : "nameless memory");
		buf_add_str(out, " ");
		print_add(out, print_str(v, "permissions"));
	}
}

static const char *
name(const json_t *match)
{
	return print_str(json_object_get(match, "process"), "name");
}

static void
text(struct buf *out, const json_t *match)
{
	const json_t *process = json_object_get(match, "process");

	if (json_is_true(json_object_get(process, "deleted")))
		buf_add_str(out, " (deleted)");
	buf_add_fmt(out, " [pid:%.0f", print_num(process, "pid"));
	if (json_array_size(json_object_get(match, "matches")) > 0)
		buf_add_str(out, ", ");
	add_places(out, match);
	buf_add_str(out, "]");
}

static void
columns(struct buf *out, const json_t *match)
{
	const char *places;
	struct buf tmp;

	buf_add_fmt(
	    out, ",%.0f", print_num(json_object_get(match, "process"), "pid"));
	buf_init(&tmp, PLACES_MAX);
	add_places(&tmp, match);
	places = buf_str(&tmp);
	searches_column(out, places != NULL ? places : "");
	if (tmp.error != 0)
		out->error = tmp.error;
	buf_release(&tmp);
}

static const struct searches_view view = { "memory", memory_kind_names,
	MEMORY_KINDS, name, text, columns };

int
memory_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	return searches_print(&view, result, prefix, show, out, e);
}

int
memory_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	return searches_csv(&view, result, prefix, out, e);
}
