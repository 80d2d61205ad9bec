/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The policy's text header. Every line stands exactly once and in its place,
 * numbers are canonical: one policy has one form of bytes.
 */
#include "action/policy.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "crypto/purpose.h"

#include <inttypes.h>
#include <string.h>

#define POLICY_LINE_MAX 128

struct lines {
	const uint8_t *p; /* start of the next line */
	size_t left;
	unsigned int number; /* of the line last read */
	char line[POLICY_LINE_MAX];
};

/* Reads "<word> <value>" and points to the value; "" words a whole line. */
static int
line_value(struct lines *l, const char *word, const char **ret, struct err *e)
{
	const uint8_t *end = l->left == 0 ? NULL : memchr(l->p, '\n', l->left);
	size_t n, w = strlen(word);

	l->number++;
	n = end == NULL ? 0 : (size_t)(end - l->p);
	if (end == NULL || n >= sizeof(l->line) ||
	    memchr(l->p, '\0', n) != NULL)
		return err_set(e, ERR_INVALID,
		    "policy: line %u: expected \"%s ...\"", l->number, word);
	memcpy(l->line, l->p, n);
	l->line[n] = '\0';
	l->p += n + 1;
	l->left -= n + 1;
	if (strncmp(l->line, word, w) != 0 || (w > 0 && l->line[w] != ' ') ||
	    (w == 0 && n != 0))
		return err_set(e, ERR_INVALID,
		    "policy: line %u: expected \"%s ...\"", l->number, word);
	*ret = w == 0 ? l->line : l->line + w + 1;
	return 0;
}

static int
line_number(struct lines *l, const char *word, uint64_t min, uint64_t max,
    uint64_t *ret, struct err *e)
{
	const char *v;
	int rc = line_value(l, word, &v, e);

	if (rc != 0)
		return rc;
	if (str_u64(v, min, max, ret) != 0 || (v[0] == '0' && v[1] != '\0'))
		return err_set(e, ERR_INVALID,
		    "policy: line %u: %s is no number within %" PRIu64
		    " and %" PRIu64,
		    l->number, word, min, max);
	return 0;
}

/* Only the form that policy_write makes. */
static int
line_time(struct lines *l, const char *word, int64_t *ret, struct err *e)
{
	char again[RFC3339_LEN + 1];
	const char *v;
	int rc = line_value(l, word, &v, e);

	if (rc != 0)
		return rc;
	if (rfc3339_parse(v, ret) == 0) {
		rfc3339_format(*ret, again);
		if (strcmp(v, again) == 0)
			return 0;
	}
	return err_set(e, ERR_INVALID,
	    "policy: line %u: %s is no time like 2026-11-23T03:44:11Z",
	    l->number, word);
}

static int
line_id(struct lines *l, const char *word, struct id *ret, struct err *e)
{
	const char *v;
	int rc = line_value(l, word, &v, e);

	if (rc != 0)
		return rc;
	if (id_parse_lower(v, ret) != 0)
		return err_set(e, ERR_INVALID,
		    "policy: line %u: %s is not 64 lower-case hex digits",
		    l->number, word);
	return 0;
}

static int
read_header(struct lines *l, struct policy *p, struct err *e)
{
	uint64_t n = 0;
	const char *v;
	int rc;

	if ((rc = line_number(l, "mig-policy", 3, 3, &n, e)) != 0 ||
	    (rc = line_number(
		 l, "version", 1, (uint64_t)1 << 53, &p->version, e)) != 0 ||
	    (rc = line_id(l, "previous", &p->previous, e)) != 0 ||
	    (rc = line_time(l, "issued", &p->issued, e)) != 0 ||
	    (rc = line_time(l, "expires", &p->expires, e)) != 0)
		return rc;
	if (p->issued >= p->expires)
		return err_set(
		    e, ERR_INVALID, "policy: expires before it is issued");
	if ((p->version == 1) != id_is_zero(&p->previous))
		return err_set(e, ERR_INVALID,
		    "policy: previous is zeros for version 1, and only then");
	if ((rc = line_number(l, "keyring", 0, POLICY_MAX, &n, e)) != 0)
		return rc;
	p->keyring_len = (size_t)n;
	if ((rc = line_number(l, "acl", 0, POLICY_MAX, &n, e)) != 0)
		return rc;
	p->acl_len = (size_t)n;
	if ((rc = line_number(l, "limits", 0, POLICY_MAX, &n, e)) != 0)
		return rc;
	p->limits_len = (size_t)n;
	return line_value(l, "", &v, e);
}

int
policy_parse(const void *text, size_t len, struct policy *ret, struct err *e)
{
	struct lines l = { .p = text, .left = len };
	struct policy p = { 0 };
	size_t want;
	int rc;

	if (len > POLICY_MAX)
		return err_set(e, ERR_TOOBIG, "policy: %zu bytes, at most %d",
		    len, POLICY_MAX);
	rc = read_header(&l, &p, e);
	if (rc != 0)
		return rc;
	want = p.keyring_len + p.acl_len + p.limits_len;
	if (want != l.left)
		return err_set(e, ERR_INVALID,
		    "policy: %zu bytes after the header, which announces %zu",
		    l.left, want);
	p.keyring = l.p;
	p.acl = p.keyring + p.keyring_len;
	p.limits = p.acl + p.acl_len;
	purpose_hash(PURPOSE_POLICY, text, len, &p.hash);
	*ret = p;
	return 0;
}

int
policy_write(const struct policy *p, struct buf *out, struct err *e)
{
	char issued[RFC3339_LEN + 1], expires[RFC3339_LEN + 1];
	struct policy check;
	size_t start = out->len;
	int rc;

	rfc3339_format(p->issued, issued);
	rfc3339_format(p->expires, expires);
	buf_add_fmt(out,
	    "mig-policy 3\nversion %" PRIu64 "\nprevious %s\nissued %s\n"
	    "expires %s\nkeyring %zu\nacl %zu\nlimits %zu\n\n",
	    p->version, id_hex(&p->previous).s, issued, expires, p->keyring_len,
	    p->acl_len, p->limits_len);
	buf_add(out, p->keyring, p->keyring_len);
	buf_add(out, p->acl, p->acl_len);
	buf_add(out, p->limits, p->limits_len);
	rc = out->error;
	if (rc != 0)
		err_set(e, rc, "policy: %s", err_text(rc));
	else
		rc = policy_parse(
		    out->data + start, out->len - start, &check, e);
	if (rc != 0)
		out->len = start;
	return rc;
}
