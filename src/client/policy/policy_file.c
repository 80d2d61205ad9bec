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

int
policy_file_load(const char *path, struct policy_file *f, struct err *e)
{
	static const char head[] = "mig-policy ";
	struct buf text;
	int r;

	file_init(f);
	buf_init(&text, POLICY_MAX + 4 * ENVELOPE_MAX);
	r = file_read(path, &text, e);
	if (r != 0) {
		buf_release(&text);
		return r;
	}
	if (text.len >= strlen(head) &&
	    memcmp(text.data, head, strlen(head)) == 0) {
		r = buf_add(&f->text, text.data, text.len);
		if (r != 0)
			err_code(e, r, "the policy");
		else
			r = policy_parse(
			    f->text.data, f->text.len, &f->policy, e);
	} else {
		r = policy_file_signed(text.data, text.len, f, e);
	}
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
