/* SPDX-License-Identifier: MPL-2.0 */
/* One handler an option; what has none is refused. */
#include "client/ssh/allowed_opts.h"

#include "base/err.h"
#include "base/str.h"
#include "crypto/sshsig.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define VALUE_MAX 1024
#define PURPOSES_MAX 64 /* more than there are */

typedef int opt_fn(struct allowed_opts *o, const char *value, struct err *e);

/* ssh's patterns: * and ? only (ssh_config(5)). */
static bool
pattern_match(const char *pattern, size_t len, const char *s)
{
	const char *end = pattern + len, *star = NULL, *again = s;

	while (*s != '\0') {
		if (pattern < end && *pattern == '*') {
			star = pattern++;
			again = s;
		} else if (pattern < end &&
		    (*pattern == '?' || *pattern == *s)) {
			pattern++;
			s++;
		} else if (star != NULL) {
			pattern = star + 1;
			s = ++again;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

/* A list of patterns; one with ! that matches decides against it. */
static bool
list_match(const char *list, const char *s)
{
	bool found = false, not ;
	size_t n;

	for (;; list += n + 1) {
		n = strcspn(list, ",");
		not = n > 0 && list[0] == '!';
		if (pattern_match(list + not, n - not, s)) {
			if (not )
				return false;
			found = true;
		}
		if (list[n] == '\0')
			return found;
	}
}

/* A keyring cannot say that a key counts for some purposes only. */
static int
opt_namespaces(struct allowed_opts *o, const char *value, struct err *e)
{
	const char *name;
	int p;

	for (p = 1; p < PURPOSES_MAX; p++) {
		name = sshsig_namespace((enum purpose)p);
		if (name != NULL && !list_match(value, name))
			return err_set(e, ERR_UNSUPPORTED,
			    "namespaces=\"%.80s\" does not let %s pass: a key "
			    "counts for all of MIG or not at all (\"*@mig\")",
			    value, name);
	}
	return 0;
}

static int
opt_authority(struct allowed_opts *o, const char *value, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED,
	    "cert-authority: SSH certificates do not count for MIG: name each "
	    "person's own key");
}

/* YYYYMMDD, then HHMM or HHMMSS, then Z: the local time without it. */
static int
time_parse(const char *s, int64_t *ret)
{
	static const struct {
		int at, len, min, max;
	} parts[] = { { 0, 4, 1970, 2105 }, { 4, 2, 1, 12 }, { 6, 2, 1, 31 },
		{ 8, 2, 0, 23 }, { 10, 2, 0, 59 }, { 12, 2, 0, 59 } };
	size_t digits = strspn(s, "0123456789"), i;
	bool utc = s[digits] == 'Z';
	struct tm tm = { 0 }, back;
	int v[6] = { 0 }, j;
	time_t t;

	if ((digits != 8 && digits != 12 && digits != 14) ||
	    s[digits + utc] != '\0')
		return ERR_INVALID;
	for (i = 0; i < 6 && parts[i].at < (int)digits; i++) {
		for (j = 0; j < parts[i].len; j++)
			v[i] = 10 * v[i] + (s[parts[i].at + j] - '0');
		if (v[i] < parts[i].min || v[i] > parts[i].max)
			return ERR_INVALID;
	}
	tm.tm_year = v[0] - 1900;
	tm.tm_mon = v[1] - 1;
	tm.tm_mday = v[2];
	tm.tm_hour = v[3];
	tm.tm_min = v[4];
	tm.tm_sec = v[5];
	tm.tm_isdst = -1;
	back = tm;
	t = utc ? timegm(&back) : mktime(&back);
	/* the 31st of June would become another day */
	if (t <= 0 || back.tm_mday != tm.tm_mday)
		return ERR_INVALID;
	*ret = t;
	return 0;
}

static int
opt_time(const char *name, const char *value, int64_t *ret, struct err *e)
{
	if (time_parse(value, ret) == 0)
		return 0;
	return err_set(e, ERR_INVALID,
	    "%s=\"%.40s\": YYYYMMDD[HHMM[SS]][Z] is expected", name, value);
}

static int
opt_after(struct allowed_opts *o, const char *value, struct err *e)
{
	return opt_time("valid-after", value, &o->valid_after, e);
}

static int
opt_before(struct allowed_opts *o, const char *value, struct err *e)
{
	return opt_time("valid-before", value, &o->valid_before, e);
}

static const struct {
	const char *name;
	bool has_value;
	opt_fn *fn;
} opt_table[] = {
	{ "cert-authority", false, opt_authority },
	{ "namespaces", true, opt_namespaces },
	{ "valid-after", true, opt_after },
	{ "valid-before", true, opt_before },
};
#define OPTS_N (sizeof(opt_table) / sizeof(opt_table[0]))

/* A value in double quotes, in which \" is one; *s moves behind it. */
static int
value_cut(const char **s, const char *end, char ret[static VALUE_MAX])
{
	const char *p = *s;
	size_t n = 0;

	if (p == end || *p++ != '"')
		return ERR_INVALID;
	for (; p < end && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < end && p[1] == '"')
			p++;
		if (n == VALUE_MAX - 1)
			return ERR_TOOBIG;
		ret[n++] = *p;
	}
	if (p == end)
		return ERR_INVALID;
	ret[n] = '\0';
	*s = p + 1;
	return 0;
}

static int
opt_parse(const char **s, const char *end, struct allowed_opts *o,
    unsigned int *seen, struct err *e)
{
	const char *name = *s;
	char value[VALUE_MAX] = "";
	size_t i, n = 0;

	while (name + n < end && name[n] != '=' && name[n] != ',')
		n++;
	for (i = 0; i < OPTS_N; i++)
		if (n == strlen(opt_table[i].name) &&
		    strncasecmp(name, opt_table[i].name, n) == 0)
			break;
	if (n == 0 && *seen == 0)
		return err_set(e, ERR_INVALID,
		    "an option or an SSH public key is expected after the "
		    "first word");
	if (i == OPTS_N)
		return err_set(e, ERR_UNSUPPORTED,
		    "option \"%.*s\" is not known", (int)(n < 40 ? n : 40),
		    name);
	if ((*seen & 1u << i) != 0)
		return err_set(
		    e, ERR_INVALID, "%s stands twice", opt_table[i].name);
	*seen |= 1u << i;
	*s = name + n;
	if (*s < end && **s == '=')
		(*s)++;
	if (opt_table[i].has_value && value_cut(s, end, value) != 0)
		return err_set(e, ERR_INVALID,
		    "%s: a value in double quotes is expected",
		    opt_table[i].name);
	return opt_table[i].fn(o, value, e);
}

int
allowed_opts_parse(
    const char *s, size_t len, struct allowed_opts *ret, struct err *e)
{
	const char *end = s + len;
	struct allowed_opts o = { 0 };
	unsigned int seen = 0;
	int rc;

	do {
		rc = opt_parse(&s, end, &o, &seen, e);
		if (rc != 0)
			return rc;
		if (s < end && *s != ',')
			return err_set(e, ERR_INVALID,
			    "a comma is expected between options");
	} while (s++ < end);
	if (o.valid_before != 0 && o.valid_before <= o.valid_after)
		return err_set(e, ERR_INVALID,
		    "valid-before is not later than valid-after");
	*ret = o;
	return 0;
}
