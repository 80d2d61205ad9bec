/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/sshkey/keyrow.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"

#include <stdio.h>
#include <string.h>

#define COMMENT_MAX 4096
#define FLAG_ENCRYPTED 1u
#define FLAG_CERT 2u
#define FLAG_CERT_HOST 4u

static void
put_u64(uint8_t *p, uint64_t v)
{
	int i;

	for (i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static struct rows_field
text_of(const char *s)
{
	return s != NULL ? (struct rows_field){ s, strlen(s) }
			 : (struct rows_field){ "", 0 };
}

static struct rows_field
cut(const uint8_t *p, size_t len)
{
	return (struct rows_field){ p, len < COMMENT_MAX ? len : COMMENT_MAX };
}

static void
take_certificate(struct keyrow *ret, const struct ssh_public *k,
    const struct keyrow_digests *ca)
{
	ret->flags |= FLAG_CERT | (k->cert_host ? FLAG_CERT_HOST : 0);
	put_u64(ret->cert_numbers, k->serial);
	put_u64(ret->cert_numbers + 8, k->valid_after);
	put_u64(ret->cert_numbers + 16, k->valid_before);
	ret->field[KEYROW_CERT_NUMBERS] =
	    (struct rows_field){ ret->cert_numbers, sizeof(ret->cert_numbers) };
	ret->field[KEYROW_CA] =
	    (struct rows_field){ ca->sha256, ca->sha256_len };
	ret->field[KEYROW_KEYID] = cut(k->key_id.p, k->key_id.len);
}

void
keyrow_make(struct keyrow *ret, const struct keyfile_key *k, const char *path,
    const struct keyrow_digests *key, const struct keyrow_digests *ca)
{
	const struct ssh_public *public = k->public;
	uint8_t numbers[16];

	memset(ret, 0, sizeof(*ret));
	ret->field[KEYROW_MD5] = (struct rows_field){ key->md5, key->md5_len };
	ret->field[KEYROW_SHA256] =
	    (struct rows_field){ key->sha256, key->sha256_len };
	ret->field[KEYROW_PATH] = text_of(path);
	ret->field[KEYROW_TYPE] = text_of(k->type);
	ret->field[KEYROW_KEYTYPE] =
	    text_of(public != NULL ? public->type : NULL);
	ret->field[KEYROW_FORM] = text_of(k->form);
	ret->field[KEYROW_UNKNOWN] = text_of(k->unknown);
	ret->field[KEYROW_COMMENT] = cut(k->comment, k->comment_len);
	/* 32 bits, 64 bits */
	put_u64(numbers, public != NULL ? public->bits : 0);
	put_u64(numbers + 8, k->line);
	memcpy(ret->numbers, numbers + 4, sizeof(ret->numbers));
	ret->field[KEYROW_NUMBERS] =
	    (struct rows_field){ ret->numbers, sizeof(ret->numbers) };
	ret->flags = k->encrypted ? FLAG_ENCRYPTED : 0;
	if (public != NULL && public->cert)
		take_certificate(ret, public, ca);
	ret->field[KEYROW_FLAGS] = (struct rows_field){ &ret->flags, 1 };
}

/* --- its JSON -------------------------------------------------------------*/

static void
write_text(struct jsonw *w, const char *key, const struct rows_field *f)
{
	jsonw_strn(w, key, f->p, f->len);
}

static void
write_md5(struct jsonw *w, const struct rows_field *f)
{
	const uint8_t *p = f->p;
	char text[48] = "";
	size_t i;

	for (i = 0; i < f->len; i++)
		snprintf(
		    text + 3 * i, 4, "%02x%s", p[i], i + 1 < f->len ? ":" : "");
	jsonw_str(w, "fingerprint_md5", text);
}

/* "SHA256:" and base64 without padding. */
static void
write_sha256(struct jsonw *w, const char *key, const struct rows_field *f)
{
	struct buf text;

	buf_init(&text, 256);
	if (f->len > 0) {
		buf_add_str(&text, "SHA256:");
		b64_encode(&text, f->p, f->len);
		while (text.len > 0 && text.data[text.len - 1] == '=')
			text.len--;
	}
	jsonw_strn(
	    w, key, text.len > 0 ? (const void *)text.data : "", text.len);
	buf_release(&text);
}

static void
write_time(struct jsonw *w, const char *key, uint64_t seconds)
{
	char text[RFC3339_LEN + 1];

	if (seconds == 0 || seconds > INT64_MAX)
		return; /* always; for ever */
	rfc3339_format((int64_t)seconds, text);
	jsonw_str(w, key, text);
}

static void
write_certificate(
    struct jsonw *w, const struct rows_field *field, unsigned int flags)
{
	char serial[24];
	struct rd r;

	rd_init(
	    &r, field[KEYROW_CERT_NUMBERS].p, field[KEYROW_CERT_NUMBERS].len);
	jsonw_object(w, "certificate");
	write_text(w, "keyid", &field[KEYROW_KEYID]);
	/* of 64 bits, often random: no number of JSON holds it */
	snprintf(
	    serial, sizeof(serial), "%llu", (unsigned long long)rd_u64(&r));
	jsonw_str(w, "serial", serial);
	jsonw_str(w, "for", (flags & FLAG_CERT_HOST) != 0 ? "host" : "user");
	write_sha256(w, "ca", &field[KEYROW_CA]);
	write_time(w, "validafter", rd_u64(&r));
	write_time(w, "validbefore", rd_u64(&r));
	jsonw_object_end(w);
}

void
keyrow_write(const struct rows_field *field, bool comma, struct buf *out)
{
	unsigned int flags = *(const uint8_t *)field[KEYROW_FLAGS].p;
	uint64_t bits, line;
	struct jsonw w;
	struct rd r;

	rd_init(&r, field[KEYROW_NUMBERS].p, field[KEYROW_NUMBERS].len);
	bits = rd_u32(&r);
	line = rd_u64(&r);
	jsonw_init(&w, out);
	w.comma = comma;
	jsonw_object(&w, NULL);
	write_md5(&w, &field[KEYROW_MD5]);
	write_sha256(&w, "fingerprint_sha256", &field[KEYROW_SHA256]);
	write_text(&w, "path", &field[KEYROW_PATH]);
	jsonw_bool(&w, "encrypted", (flags & FLAG_ENCRYPTED) != 0);
	write_text(&w, "type", &field[KEYROW_TYPE]);
	if (field[KEYROW_KEYTYPE].len > 0) {
		write_text(&w, "keytype", &field[KEYROW_KEYTYPE]);
		jsonw_u64(&w, "bits", bits);
	}
	if (field[KEYROW_FORM].len > 0)
		write_text(&w, "form", &field[KEYROW_FORM]);
	if (field[KEYROW_UNKNOWN].len > 0)
		write_text(&w, "unknown", &field[KEYROW_UNKNOWN]);
	if (field[KEYROW_COMMENT].len > 0)
		write_text(&w, "comment", &field[KEYROW_COMMENT]);
	if (line > 0)
		jsonw_u64(&w, "line", line);
	if ((flags & FLAG_CERT) != 0)
		write_certificate(&w, field, flags);
	jsonw_object_end(&w);
}
