/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/possible.h"

#include "base/err.h"
#include "modules/common/gofmt.h"
#include "modules/regex.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODE_LOOKED_AT_MAX 256 /* bytes of an expression */

/* The type and the bits in front are one of a few; each of the nine letters
 * behind them is there or not. */
static bool
mode_exists(const struct regex *re)
{
	static const mode_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFBLK,
		S_IFCHR, S_IFIFO, S_IFSOCK };
	char none[GO_MODE_MAX], all[GO_MODE_MAX];
	struct regex_either either[GO_MODE_MAX];
	size_t i, n;
	mode_t mode;

	for (i = 0; i < 8 * sizeof(types) / sizeof(types[0]); i++) {
		mode = types[i / 8] | (mode_t)(i % 8) << 9;
		go_mode(mode, none);
		go_mode(mode | 0777, all);
		for (n = 0; none[n] != '\0'; n++) {
			either[n].one = none[n];
			either[n].other = all[n];
		}
		BUG_ON(n > REGEX_EITHER_MAX);
		if (regex_can_match(re, either, n))
			return true;
	}
	return false;
}

int
file_mode_possible(const char *expression, struct err *e)
{
	struct regex *re;
	bool exists;
	int rc;

	/* classes of Unicode are for one thread, and of no use here */
	if (strlen(expression) > MODE_LOOKED_AT_MAX ||
	    strstr(expression, "\\p") != NULL ||
	    strstr(expression, "\\P") != NULL)
		return 0;
	rc = regex_parse(expression, &re, e);
	if (rc != 0)
		return rc;
	exists = mode_exists(re);
	regex_free(re);
	if (exists)
		return 0;
	return err_set(e, ERR_INVALID,
	    "'%.64s' matches no mode: expected an expression for what stands "
	    "as -rw-r--r-- for 0644, urwxr-xr-x for 4755 and dtrwxrwxrwx for a "
	    "directory of 1777",
	    expression);
}

static int
exclude(const struct file_search *s, const char *where,
    const struct file_check *a, const struct file_check *b, struct err *e)
{
	const struct file_check *first = s->checks;
	const struct file_check *last = a > b ? a : b;

	while (first->kind != last->kind)
		first++;
	err_set(e, ERR_INVALID,
	    "no file passes both '%.128s' and '%.128s': with matchall it would "
	    "have to; matchany answers each by itself",
	    last == a ? b->value : a->value, last->value);
	return err_wrap(e, "%s.%s[%zu]", where,
	    file_kind_names[last->kind].field, (size_t)(last - first));
}

static bool
ranges_meet(enum file_kind kind, const struct file_check *low,
    const struct file_check *high)
{
	/* ages: older than low's and younger than high's */
	return kind == FILE_MTIME ? low->min < high->min
				  : low->min <= high->max;
}

/* Of n checks of sizes, or of times. */
static int
check_ranges(const struct file_search *s, const char *where,
    const struct file_check *c, size_t n, struct err *e)
{
	const struct file_check *low = NULL, *high = NULL;
	enum file_kind kind = c->kind;
	size_t i;

	for (i = 0; i < n; i++) {
		if (kind == FILE_SIZE || !c[i].newer) {
			if (low == NULL || c[i].min > low->min)
				low = &c[i];
		}
		if (kind == FILE_SIZE || c[i].newer) {
			if (high == NULL ||
			    (kind == FILE_SIZE ? c[i].max < high->max
					       : c[i].min < high->min))
				high = &c[i];
		}
	}
	return low == NULL || high == NULL || ranges_meet(kind, low, high)
	    ? 0
	    : exclude(s, where, low, high, e);
}

/* The length tells the algorithm of a kind. */
static int
check_digests(const struct file_search *s, const char *where,
    const struct file_check *c, size_t n, struct err *e)
{
	const struct file_check *of[FILE_DIGEST_MAX + 1] = { NULL }, **one;
	size_t i;

	for (i = 0; i < n; i++) {
		one = &of[c[i].digest_len];
		if (*one == NULL)
			*one = &c[i];
		else if (memcmp((*one)->digest, c[i].digest, c[i].digest_len) !=
		    0)
			return exclude(s, where, *one, &c[i], e);
	}
	return 0;
}

static int
by_expression(const void *a, const void *b)
{
	const struct file_check *const *x = a, *const *y = b;
	int c = strcmp(file_check_regex(*x), file_check_regex(*y));

	return c != 0 ? c : (*x)->inverse - (*y)->inverse;
}

/* There may be thousands. */
static int
check_expressions(const struct file_search *s, const char *where,
    const struct file_check *c, size_t n, struct err *e)
{
	const struct file_check **sorted = calloc(n, sizeof(*sorted));
	size_t i;
	int rc = 0;

	if (sorted == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < n; i++)
		sorted[i] = &c[i];
	qsort(sorted, n, sizeof(*sorted), by_expression);
	for (i = 1; i < n && rc == 0; i++) {
		if (sorted[i - 1]->inverse != sorted[i]->inverse &&
		    strcmp(file_check_regex(sorted[i - 1]),
			file_check_regex(sorted[i])) == 0)
			rc = exclude(s, where, sorted[i - 1], sorted[i], e);
	}
	free(sorted);
	return rc;
}

int
file_search_possible(
    const struct file_search *s, const char *where, struct err *e)
{
	const struct file_check *c;
	size_t i, n;
	int rc = 0;

	if (!s->options.matchall)
		return 0;
	for (i = 0; i < s->nchecks && rc == 0; i += n) {
		c = &s->checks[i];
		for (n = 1; i + n < s->nchecks && c[n].kind == c->kind; n++)
			;
		if (n == 1 || s->options.mismatch[c->kind])
			continue;
		if (c->kind == FILE_SIZE || c->kind == FILE_MTIME)
			rc = check_ranges(s, where, c, n, e);
		else if (c->kind >= FILE_MD5)
			rc = check_digests(s, where, c, n, e);
		else
			rc = check_expressions(s, where, c, n, e);
	}
	return rc;
}
