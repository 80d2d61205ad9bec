/* SPDX-License-Identifier: MPL-2.0 */
/* Talking with the person at the terminal, and writing answers out. */
#include "client/client.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "client/pgp/openpgp.h"
#include "crypto/seal.h"
#include "http/http.h"
#include "json/json.h"

#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PIECE 65536 /* of output */
#define JSON_OUT_MAX (64u * 1024 * 1024)

void
client_release(struct client *c)
{
	pgp_end();
	client_conf_release(c);
	http_free(c->http);
	free(c->ca_pem);
	free(c->conf_path);
	secret_wipe(c->token, sizeof(c->token));
	if (c->api_key != NULL)
		secret_wipe(c->api_key, strlen(c->api_key));
	free(c->api_key);
	memset(c, 0, sizeof(*c));
}

bool
client_interactive(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

bool
client_prompt(const char *question, char *out, size_t size)
{
	size_t n;

	fputs(question, stderr);
	fflush(stderr);
	if (fgets(out, (int)size, stdin) == NULL) {
		fputs("\n", stderr);
		return false;
	}
	n = strlen(out);
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' '))
		out[--n] = '\0';
	return true;
}

bool
client_confirm(const char *fmt, ...)
{
	char question[2048], answer[16];
	struct buf plain;
	bool asked = false;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(question, sizeof(question), fmt, ap);
	va_end(ap);
	buf_init(&plain, 16 * sizeof(question));
	if (str_add_plain(&plain, question, strlen(question)) == 0 &&
	    buf_str(&plain) != NULL)
		asked = client_prompt(buf_str(&plain), answer, sizeof(answer));
	buf_release(&plain);
	if (!asked)
		return false;
	return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

int
client_confirm_sign(bool yes, const char *what, struct err *e)
{
	if (yes)
		return 0;
	if (!client_interactive())
		return err_set(e, ERR_DENIED,
		    "not signed: nobody can be asked here; look at it at a "
		    "terminal, or say -y");
	return client_confirm("Sign this %s? [y/N] ", what)
	    ? 0
	    : err_set(e, ERR_CLOSED, "not signed");
}

/* A terminal of another character set takes the bytes of UTF-8 for characters
 * of its own: in ISO 8859 0x9b, which is in many, begins a command. */
static bool
wants_ascii(int fd)
{
	return isatty(fd) == 1 && strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

/* text is valid UTF-8. */
static int
add_ascii(struct buf *out, const void *text, size_t len)
{
	const uint8_t *p = text;
	uint32_t cp = 0;
	size_t n;

	for (; len > 0 && out->error == 0; p += n, len -= n) {
		n = str_utf8(p, len, &cp);
		if (n == 1)
			buf_add(out, p, 1);
		else
			str_add_escape(out, n == 0 ? 0xfffd : cp);
		n += n == 0;
	}
	return out->error;
}

bool
client_err(const char *text)
{
	struct buf ascii;
	bool ok;

	if (!wants_ascii(STDERR_FILENO))
		return fputs(text, stderr) != EOF;
	buf_init(&ascii, 6 * strlen(text) + 1);
	ok = add_ascii(&ascii, text, strlen(text)) == 0 &&
	    fwrite(ascii.data, 1, ascii.len, stderr) == ascii.len;
	buf_release(&ascii);
	return ok;
}

/* Cut, and what is not plain ASCII a question mark: for when there is no
 * memory, which is what most likely is to be said. */
__attribute__((format(printf, 1, 0))) static void
warn_without_memory(const char *fmt, va_list ap)
{
	char text[ERR_MSG_MAX];
	char *c;

	vsnprintf(text, sizeof(text), fmt, ap);
	for (c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	fprintf(stderr, "mig: %s\n", text);
}

void
client_warn(const char *fmt, ...)
{
	struct buf text, safe;
	va_list ap;

	buf_init(&text, 64 * 1024);
	buf_init(&safe, 256 * 1024);
	va_start(ap, fmt);
	buf_add_vfmt(&text, fmt, ap);
	va_end(ap);
	buf_add_str(&safe, "mig: ");
	str_add_printable(&safe, text.data, text.len);
	buf_add_str(&safe, "\n");
	if (text.error != 0 || buf_str(&safe) == NULL ||
	    !client_err(buf_str(&safe))) {
		va_start(ap, fmt);
		warn_without_memory(fmt, ap);
		va_end(ap);
	}
	buf_release(&text);
	buf_release(&safe);
}

static bool reader_left;

bool
client_reader_left(void)
{
	return reader_left;
}

/* The last gate before a terminal: of text nothing is left to do here, of JSON
 * what means the same. Piece by piece, cut between characters. */
static bool
write_safe(const uint8_t *p, size_t len)
{
	struct buf piece, ascii, *is = &piece;
	bool ok = true;
	size_t n, back;

	buf_init(&piece, 12 * PIECE);
	buf_init(&ascii, 36 * PIECE);
	if (wants_ascii(STDOUT_FILENO))
		is = &ascii;
	for (; ok && len > 0; p += n, len -= n) {
		n = len < PIECE ? len : PIECE;
		for (back = 0; n < len && back < 4 && (p[n] & 0xc0) == 0x80;
		     back++)
			n--;
		buf_clear(&piece);
		buf_clear(&ascii);
		ok = str_add_safe(&piece, p, n) == 0 &&
		    (is == &piece ||
			add_ascii(&ascii, piece.data, piece.len) == 0) &&
		    fwrite(is->data, 1, is->len, stdout) == is->len;
	}
	buf_release(&piece);
	buf_release(&ascii);
	return ok;
}

int
client_not_ended(
    int64_t end, int64_t now, const char *what, const char *so, struct err *e)
{
	char then[RFC3339_LEN + 1], here[RFC3339_LEN + 1];

	if (now < end)
		return 0;
	rfc3339_format(end, then);
	rfc3339_format(now, here);
	return err_set(e, ERR_EXPIRED, "%s ended at %s, and it is %s here: %s",
	    what, then, here, so);
}

int
client_out(const struct buf *b, struct err *e)
{
	if (b->error != 0)
		return err_code(e, b->error, "the output");
	if (write_safe(b->data, b->len) && fflush(stdout) == 0)
		return 0;
	reader_left = errno == EPIPE;
	return err_errno(e, "cannot write to standard output");
}

int
client_out_json(const struct json_t *j, size_t flags, struct err *e)
{
	char *text = json_text(j, flags);
	struct buf out;
	int r;

	buf_init(&out, JSON_OUT_MAX);
	if (text == NULL || buf_add_str(&out, text) != 0 ||
	    buf_add_str(&out, "\n") != 0)
		r = err_set(e, ERR_NOMEM, "out of memory");
	else
		r = client_out(&out, e);
	free(text);
	buf_release(&out);
	return r;
}

int
client_out_bytes(const struct buf *b, struct err *e)
{
	if (b->error != 0 || isatty(STDOUT_FILENO) == 1)
		return client_out(b, e);
	if ((b->len == 0 || fwrite(b->data, b->len, 1, stdout) == 1) &&
	    fflush(stdout) == 0)
		return 0;
	reader_left = errno == EPIPE;
	return err_errno(e, "cannot write to standard output");
}

int
client_write(const char *path, const struct buf *b, struct err *e)
{
	if (path == NULL || strcmp(path, "-") == 0)
		return client_out_bytes(b, e);
	if (b->error != 0)
		return err_code(e, b->error, "the output");
	return file_write(path, b->data, b->len, 0600, e);
}
