/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/sshkey/pem.h"

#include "base/err.h"
#include "base/hex.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX (1024 * 1024)

#define MARK_MAX 64

enum inside { IN_DER, IN_OPENSSH, IN_SSH2, IN_NOTHING };

static const struct form {
	const char *name;
	enum inside inside;
	bool public;
} forms[] = {
	{ "OPENSSH PRIVATE KEY", IN_OPENSSH, false },
	{ "RSA PRIVATE KEY", IN_DER, false },
	{ "DSA PRIVATE KEY", IN_DER, false },
	{ "EC PRIVATE KEY", IN_DER, false },
	{ "PRIVATE KEY", IN_DER, false },
	{ "ENCRYPTED PRIVATE KEY", IN_NOTHING, false },
	{ "PUBLIC KEY", IN_DER, true },
	{ "RSA PUBLIC KEY", IN_DER, true },
	{ "SSH2 PUBLIC KEY", IN_SSH2, true },
};

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

static bool
begins(const struct span *line)
{
	return starts(line, "-----BEGIN ") || starts(line, "---- BEGIN ");
}

/* word: "BEGIN" or "END" */
static bool
is_mark(const struct span *line, const char *word, const struct form *f)
{
	char mark[MARK_MAX];

	if (!starts(line, "----"))
		return false;
	snprintf(mark, sizeof(mark),
	    f->inside == IN_SSH2 ? "---- %s %s ----" : "-----%s %s-----", word,
	    f->name);
	return line->len == strlen(mark) && starts(line, mark);
}

/* NULL: it begins something else. */
static const struct form *
form_of(const struct span *line)
{
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (is_mark(line, "BEGIN", &forms[i]))
			return &forms[i];
	}
	return NULL;
}

/* RFC 4716 section 3.3: a backslash at its end says that it goes on. Returns
 * whether it is the comment's, of which the value is added. */
static bool
read_header(struct span *left, struct span line, struct buf *comment)
{
	static const char tag[] = "comment:";
	bool wanted = comment->len == 0 && line.len >= sizeof(tag) - 1 &&
	    strncasecmp(line.p, tag, sizeof(tag) - 1) == 0;
	bool more;

	if (wanted) {
		line.p += sizeof(tag) - 1;
		line.len -= sizeof(tag) - 1;
	}
	do {
		more = line.len > 0 && line.p[line.len - 1] == '\\';
		if (wanted)
			buf_add(comment, line.p, line.len - more);
	} while (more && next_line(left, &line));
	return wanted;
}

/* Without the blanks before it and the quotes around it. */
static void
unquote(struct buf *comment)
{
	const uint8_t *p = comment->data;
	size_t len = comment->len;

	while (len > 0 && *p == ' ') {
		p++;
		len--;
	}
	if (len > 1 && *p == '"' && p[len - 1] == '"') {
		p++;
		len -= 2;
	}
	if (len > 0)
		memmove(comment->data, p, len);
	comment->len = len;
}

/* Everything up to the line of the end: headers and base64. */
static int
read_body(struct span *left, const struct form *f, struct ssh_pem *p,
    struct buf *base64, struct err *e)
{
	struct span line;

	while (next_line(left, &line)) {
		if (is_mark(&line, "END", f))
			return 0;
		if (begins(&line))
			break;
		if (memchr(line.p, ':', line.len) == NULL)
			buf_add(base64, line.p, line.len);
		else if (f->inside == IN_SSH2 &&
		    read_header(left, line, &p->comment))
			unquote(&p->comment);
		else if (f->inside != IN_SSH2 &&
		    starts(&line, "Proc-Type: 4,ENCRYPTED"))
			p->encrypted = true;
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
take(const struct buf *data, const struct form *f, struct ssh_pem *p,
    struct err *e)
{
	int rc = 0;

	if (f->inside == IN_OPENSSH)
		rc = ssh_pem_openssh(data->data, data->len, p, e);
	else if (f->inside == IN_DER)
		rc = ssh_pem_der(data->data, data->len, p, e);
	else if (data->len == 0)
		rc = err_set(e, ERR_INVALID, "it is empty");
	else if (buf_add(&p->blob, data->data, data->len) != 0 ||
	    p->comment.error != 0)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc != 0)
		err_wrap(e, "%s", p->form);
	return rc;
}

/* How much there is up to the line of its end; false: it has none. */
static bool
find_end(struct span left, const struct form *f, size_t *ret_len)
{
	const char *begin = left.p;
	struct span line;

	while (next_line(&left, &line) && !begins(&line)) {
		if (is_mark(&line, "END", f)) {
			*ret_len = (size_t)(line.p - begin);
			return true;
		}
	}
	return false;
}

static int
read_key(
    struct span *left, const struct form *f, struct ssh_pem *p, struct err *e)
{
	struct buf base64, data;
	size_t len;
	int rc;

	if (!find_end(*left, f, &len))
		return err_set(e, ERR_INVALID, "%s: it has no end", p->form);
	if (len > TEXT_MAX)
		len = TEXT_MAX;
	buf_init(&base64, TEXT_MAX);
	buf_init(&data, TEXT_MAX);
	/* at once, so that no copy is left behind by growing; and no more, as
	 * all of it is wiped */
	if (buf_reserve(&base64, len) == NULL ||
	    buf_reserve(&data, len * 3 / 4) == NULL) {
		rc = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	rc = read_body(left, f, p, &base64, e);
	if (rc == 0 && f->inside == IN_NOTHING)
		p->encrypted = true;
	else if (rc == 0 && !p->encrypted) {
		rc = b64_decode(&data, (const char *)base64.data, base64.len);
		if (rc != 0)
			err_set(e, ERR_INVALID, "%s: its base64 is damaged",
			    p->form);
		else
			rc = take(&data, f, p, e);
	}
out:
	wipe(&base64);
	wipe(&data);
	return rc;
}

int
ssh_pem_next(const char *text, size_t len, size_t *at, struct ssh_pem *ret,
    struct err *e)
{
	struct span left = { text + *at, len - *at }, line;
	const struct form *f;
	struct ssh_pem p = { 0 };
	int rc;

	do {
		if (!next_line(&left, &line)) {
			*at = len;
			return ERR_NOTFOUND;
		}
		f = form_of(&line);
	} while (f == NULL);
	p.form = f->name;
	p.public = f->public;
	*at = (size_t)(left.p - text); /* a damaged one hides no other */
	buf_init(&p.blob, TEXT_MAX);
	buf_init(&p.comment, TEXT_MAX);
	rc = read_key(&left, f, &p, e);
	if (rc != 0) {
		ssh_pem_release(&p);
		return rc;
	}
	*at = (size_t)(left.p - text);
	*ret = p;
	return 0;
}

void
ssh_pem_release(struct ssh_pem *p)
{
	buf_release(&p->blob);
	buf_release(&p->comment);
	memset(p, 0, sizeof(*p));
}
