/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/sshkey/private.h"

#include "base/err.h"
#include "base/hex.h"

#include <string.h>

#define TEXT_MAX (1024 * 1024)

static const char begin_mark[] = "-----BEGIN ", end_mark[] = "-----END ";
#define BEGIN_LEN (sizeof(begin_mark) - 1)

static const char *const forms[] = { "OPENSSH PRIVATE KEY", "RSA PRIVATE KEY",
	"DSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY",
	"ENCRYPTED PRIVATE KEY" };

struct span {
	const char *p;
	size_t len;
};

static bool
starts(const struct span *s, const char *with)
{
	size_t n = strlen(with);

	return s->len >= n && memcmp(s->p, with, n) == 0;
}

/* The next line of what is left, without its end. */
static bool
next_line(struct span *left, struct span *ret)
{
	const char *nl;

	if (left->len == 0)
		return false;
	nl = memchr(left->p, '\n', left->len);
	ret->p = left->p;
	ret->len = nl != NULL ? (size_t)(nl - left->p) : left->len;
	left->p += ret->len + (nl != NULL);
	left->len -= ret->len + (nl != NULL);
	while (ret->len > 0 && strchr(" \t\r", ret->p[ret->len - 1]) != NULL &&
	    ret->p[ret->len - 1] != '\0')
		ret->len--;
	return true;
}

/* "-----BEGIN FORM-----"; NULL: it begins something else. */
static const char *
form_of(const struct span *line)
{
	struct span s = *line;
	size_t i, n;

	if (!starts(&s, begin_mark))
		return NULL;
	s.p += BEGIN_LEN;
	s.len -= BEGIN_LEN;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		n = strlen(forms[i]);
		if (s.len == n + 5 && memcmp(s.p, forms[i], n) == 0 &&
		    memcmp(s.p + n, "-----", 5) == 0)
			return forms[i];
	}
	return NULL;
}

static bool
ends(const struct span *line, const char *form)
{
	size_t n = sizeof(end_mark) - 1;

	return starts(line, end_mark) && line->len == n + strlen(form) + 5 &&
	    memcmp(line->p + n, form, strlen(form)) == 0;
}

/* Everything up to the line of the end: headers and base64. */
static int
read_body(
    struct span *left, struct ssh_private *p, struct buf *base64, struct err *e)
{
	struct span line;

	while (next_line(left, &line)) {
		if (ends(&line, p->form))
			return 0;
		if (starts(&line, begin_mark))
			break;
		if (memchr(line.p, ':', line.len) != NULL) {
			if (starts(&line, "Proc-Type: 4,ENCRYPTED"))
				p->encrypted = true;
		} else {
			buf_add(base64, line.p, line.len);
		}
	}
	return err_set(e, ERR_INVALID, "%s: it has no end", p->form);
}

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

static int
take(const struct buf *der, struct ssh_private *p, struct err *e)
{
	int rc;

	if (p->form == forms[0])
		rc = ssh_private_openssh(der->data, der->len, p, e);
	else
		rc = ssh_private_der(der->data, der->len, p, e);
	if (rc != 0)
		err_wrap(e, "%s", p->form);
	return rc;
}

static int
read_key(struct span *left, struct ssh_private *p, struct err *e)
{
	struct buf base64, der;
	int rc;

	buf_init(&base64, TEXT_MAX);
	buf_init(&der, TEXT_MAX);
	/* at once, so that no copy is left behind by growing */
	if (buf_reserve(&base64, left->len < TEXT_MAX ? left->len : TEXT_MAX) ==
		NULL ||
	    buf_reserve(&der,
		TEXT_MAX * 3 / 4 + 3 < left->len ? TEXT_MAX * 3 / 4
						 : left->len + 3) == NULL) {
		rc = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	rc = read_body(left, p, &base64, e);
	if (rc == 0 && p->form == forms[5])
		p->encrypted = true;
	else if (rc == 0 && !p->encrypted) {
		rc = b64_decode(&der, (const char *)base64.data, base64.len);
		if (rc != 0)
			err_set(e, ERR_INVALID, "%s: its base64 is damaged",
			    p->form);
		else
			rc = take(&der, p, e);
	}
out:
	wipe(&base64);
	wipe(&der);
	return rc;
}

int
ssh_private_next(const char *text, size_t len, size_t *at,
    struct ssh_private *ret, struct err *e)
{
	struct span left = { text + *at, len - *at }, line;
	struct ssh_private p = { 0 };
	int rc;

	do {
		if (!next_line(&left, &line)) {
			*at = len;
			return ERR_NOTFOUND;
		}
		p.form = form_of(&line);
	} while (p.form == NULL);
	*at = (size_t)(left.p - text); /* a damaged one hides no other */
	buf_init(&p.blob, TEXT_MAX);
	buf_init(&p.comment, TEXT_MAX);
	rc = read_key(&left, &p, e);
	if (rc != 0) {
		ssh_private_release(&p);
		return rc;
	}
	*at = (size_t)(left.p - text);
	*ret = p;
	return 0;
}

void
ssh_private_release(struct ssh_private *p)
{
	buf_release(&p->blob);
	buf_release(&p->comment);
	memset(p, 0, sizeof(*p));
}
