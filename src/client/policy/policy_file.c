/* SPDX-License-Identifier: MPL-2.0 */
#include "client/policy/policy_file.h"

#include "base/file.h"
#include "crypto/keyring.h"

#include <string.h>

static void
file_init(struct policy_file *f)
{
	memset(f, 0, sizeof(*f));
	buf_init(&f->text, POLICY_MAX);
	buf_init(&f->binary, ENVELOPE_MAX);
}

void
policy_file_release(struct policy_file *f)
{
	buf_release(&f->text);
	buf_release(&f->binary);
	memset(f, 0, sizeof(*f));
}

int
policy_file_signed(
    const void *json, size_t len, struct policy_file *f, struct err *e)
{
	int r;

	file_init(f);
	r = envelope_from_json(json, len, &f->binary, e);
	if (r == 0)
		r = envelope_parse(f->binary.data, f->binary.len, &f->env, e);
	if (r == 0 && (r = buf_add(&f->text, f->env.doc, f->env.doc_len)) != 0)
		err_code(e, r, "the policy");
	if (r == 0)
		r = policy_parse(f->text.data, f->text.len, &f->policy, e);
	return r;
}

static bool
starts(const struct buf *b, const char *with)
{
	return b->len >= strlen(with) &&
	    memcmp(b->data, with, strlen(with)) == 0;
}

/* A changed bit would be another policy, so its hash is the first line. */
#define KNOWN_HEAD "mig-known "
#define KNOWN_HEAD_LEN (sizeof(KNOWN_HEAD) - 1)
#define KNOWN_LINE (KNOWN_HEAD_LEN + ID_HEX_LEN + 1)

int
policy_file_known(const struct policy_file *f, struct buf *out)
{
	buf_add_fmt(out, KNOWN_HEAD "%s\n", id_hex(&f->policy.hash).s);
	return buf_add(out, f->text.data, f->text.len);
}

static int
take_plain(const void *text, size_t len, struct policy_file *f, struct err *e)
{
	int r = buf_add(&f->text, text, len);

	if (r != 0)
		return err_code(e, r, "the policy");
	return policy_parse(f->text.data, f->text.len, &f->policy, e);
}

static int
take_known(const struct buf *b, struct policy_file *f, struct err *e)
{
	char line[KNOWN_LINE];
	struct id hash;
	int r = ERR_INVALID;

	if (b->len > KNOWN_LINE) {
		memcpy(line, b->data, KNOWN_LINE);
		if (line[KNOWN_LINE - 1] == '\n') {
			line[KNOWN_LINE - 1] = '\0';
			r = id_parse(line + KNOWN_HEAD_LEN, &hash);
		}
	}
	if (r == 0)
		r = take_plain(
		    b->data + KNOWN_LINE, b->len - KNOWN_LINE, f, NULL);
	if (r == ERR_NOMEM)
		return err_set(e, r, "out of memory");
	if (r == 0 && id_equal(&hash, &f->policy.hash))
		return 0;
	return err_set(e, ERR_INVALID,
	    "not the policy that its first line says: it was damaged or "
	    "changed; pin it again with mig policy pin");
}

int
policy_file_load(const char *path, struct policy_file *f, struct err *e)
{
	struct buf text;
	int r;

	file_init(f);
	buf_init(&text, KNOWN_LINE + POLICY_MAX + 4 * ENVELOPE_MAX);
	r = file_read(path, &text, e);
	if (r != 0) {
		buf_release(&text);
		return r;
	}
	if (starts(&text, KNOWN_HEAD))
		r = take_known(&text, f, e);
	else if (starts(&text, "mig-policy "))
		r = take_plain(text.data, text.len, f, e);
	else if ((r = policy_file_signed(text.data, text.len, f, e)) ==
	    ERR_INVALID)
		err_wrap(e,
		    "expected a policy as mig policy make or sign writes it");
	buf_release(&text);
	return r == 0 ? 0 : err_wrap(e, "%s", path);
}

/* Agents look at the keys only when they use them. */
static int
check_keyring(const struct policy *p, struct err *e)
{
	struct keyring k;
	int r = keyring_parse(p->keyring, p->keyring_len, &k, e);

	if (r == 0)
		keyring_release(&k);
	return r;
}

int
policy_file_check(const struct policy *p, int64_t now, struct err *e)
{
	enum policy_refusal reason;
	int r = check_keyring(p, e);

	if (r != 0)
		return r;
	r = policy_check(p, now, &reason, e);
	if (r != 0 && reason == POLICY_LOCKS_OUT)
		err_wrap(e, "this policy would lock everybody out");
	return r;
}

int
policy_file_step(const struct policy *was, const struct policy_file *next,
    int64_t now, struct err *e)
{
	struct signer signers[SIGS_MAX];
	enum policy_refusal reason;
	struct keyring k;
	struct acl *acl;
	int r;

	r = keyring_parse(was->keyring, was->keyring_len, &k, e);
	if (r != 0)
		return err_wrap(e, "the policy before it");
	keyring_verify(&k, PURPOSE_POLICY, next->text.data, next->text.len,
	    next->env.sigs, next->env.nsigs, now, signers);
	keyring_release(&k);
	r = acl_parse(was->acl, was->acl_len, &acl, e);
	if (r != 0)
		return err_wrap(e, "the policy before it");
	r = policy_step(
	    was, acl, &next->policy, signers, next->env.nsigs, now, &reason, e);
	acl_free(acl);
	if (r != 0)
		return err_wrap(e, "%s", policy_refusal_text(reason));
	return check_keyring(&next->policy, e);
}
