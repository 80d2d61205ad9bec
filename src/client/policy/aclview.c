/* SPDX-License-Identifier: MPL-2.0 */
#include "client/policy/aclview.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/str.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int
view(struct aclview *v, struct err *e)
{
	const struct policy *p = &v->file.policy;
	int r = keyring_parse(p->keyring, p->keyring_len, &v->keyring, e);

	if (r == 0)
		r = acl_parse(p->acl, p->acl_len, &v->acl, e);
	if (r == 0)
		r = policy_limits_parse(
		    p->limits, p->limits_len, &v->limits, e);
	return r;
}

int
aclview_load(const char *path, struct aclview *v, struct err *e)
{
	int r;

	memset(v, 0, sizeof(*v));
	r = policy_file_load(path, &v->file, e);
	if (r == 0 && (r = view(v, e)) != 0)
		err_wrap(e, "%s", path);
	return r;
}

int
aclview_known(struct client *c, struct aclview *v, struct err *e)
{
	int r;

	memset(v, 0, sizeof(*v));
	r = policy_known(c, &v->file, e);
	if (r == 0 && (r = view(v, e)) != 0)
		err_wrap(e, "the policy that this client knows");
	return r;
}

int
aclview_option(
    struct client *c, const struct opts *o, struct aclview *v, struct err *e)
{
	const char *path = opts_get(o, "policy");
	int r;

	if (path != NULL)
		return aclview_load(path, v, e);
	r = aclview_known(c, v, e);
	if (r == ERR_NOTFOUND)
		err_set(e, r,
		    "which policy? This client knows none (mig policy pin): "
		    "-policy FILE");
	return r;
}

void
aclview_release(struct aclview *v)
{
	acl_free(v->acl);
	keyring_release(&v->keyring);
	policy_file_release(&v->file);
	memset(v, 0, sizeof(*v));
}

/* --- what is asked ---------------------------------------------------------*/

static int
draft_operation(const json_t *op, struct action_operation *ret, struct err *e)
{
	const char *name = json_string_value(json_object_get(op, "module"));
	const struct module *m = name != NULL ? module_find(name) : NULL;

	if (m == NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "module '%.32s' is not known here",
		    name != NULL ? name : "");
	str_copy(ret->module, sizeof(ret->module), name);
	ret->module_number = m->number;
	ret->parameters = json_object_get(op, "parameters");
	return 0;
}

int
aclview_draft(const struct question *q, struct action *ret, struct err *e)
{
	const struct action_draft *d = &q->draft;
	size_t i, n = json_array_size(d->operations);
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	if (n > ACTION_OPERATIONS_MAX || d->nrequire_fprs > SIGS_MAX)
		return err_set(e, ERR_TOOBIG, "too many operations");
	ret->name = d->name;
	ret->require_weight = d->require_weight > 0 ? d->require_weight : 1;
	ret->min_policy = d->min_policy;
	ret->limits = d->limits;
	for (i = 0; i < d->nrequire_fprs && r == 0; i++) {
		if (hex_decode(d->require_fprs[i], ret->require_fprs[i],
			PGP_FPR_LEN) != 0)
			r = err_set(e, ERR_INVALID, "require: no fingerprint");
		ret->nrequire_fprs++;
	}
	for (i = 0; i < n && r == 0; i++)
		r = draft_operation(json_array_get(d->operations, i),
		    &ret->operations[ret->noperations++], e);
	return r;
}

size_t
aclview_signers(const struct aclview *v, const struct envelope *env,
    int64_t now, struct signer *ret)
{
	(void)keyring_verify(&v->keyring, PURPOSE_ACTION, env->doc,
	    env->doc_len, env->sigs, env->nsigs, now, ret);
	return env->nsigs;
}

/* --- what agents say -------------------------------------------------------*/

static int
judge_time(
    const struct aclview *v, const struct action *a, int64_t now, struct err *e)
{
	char text[RFC3339_LEN + 1], is[32], most[32];

	if (now >= v->file.policy.expires) {
		rfc3339_format(v->file.policy.expires, text);
		return err_set(e, ERR_EXPIRED, "this policy ended at %s", text);
	}
	if (a->min_policy > 0 &&
	    (uint64_t)a->min_policy > v->file.policy.version)
		return err_set(e, ERR_DENIED,
		    "the action needs policy %" PRId64 ", this is %" PRIu64,
		    a->min_policy, v->file.policy.version);
	if (a->expire_after == 0) /* not made yet */
		return 0;
	if (now >= a->expire_after)
		return err_set(e, ERR_EXPIRED, "the action has expired");
	if (a->expire_after - a->valid_from > v->limits.max_validity) {
		duration_format(a->expire_after - a->valid_from, is);
		duration_format(v->limits.max_validity, most);
		return err_set(e, ERR_DENIED,
		    "the action is valid for %s, the policy allows %s", is,
		    most);
	}
	return 0;
}

int
aclview_judge(const struct aclview *v, const struct action *a,
    const struct signer *signers, size_t n, int64_t now, struct err *e)
{
	int r = acl_check(v->acl, a, signers, n, now, e);

	return r == 0 ? judge_time(v, a, now, e) : r;
}

static void
note_paths(const struct acl_entry *en, struct buf *out)
{
	const char *p;

	for (p = en->paths; *p != '\0'; p++) {
		if (*p == '\n')
			buf_add_str(out, ", ");
		else
			buf_add_u8(out, (uint8_t)*p);
	}
}

static void
note_operation(const struct acl_entry *en, const struct module *m,
    const char *prefix, struct buf *out)
{
	static const char *const words[DETAILS] = {
		[DETAIL_METADATA] =
		    "agents will answer names and figures, nothing that was "
		    "read (detail: metadata)",
		[DETAIL_FOUND_ONLY] =
		    "agents will only say whether something was found "
		    "(detail: found-only)",
	};

	if (words[en->detail] != NULL)
		buf_add_fmt(
		    out, "%s%s: %s\n", prefix, m->name, words[en->detail]);
	if (en->paths[0] == '\0' || m->paths == NULL)
		return;
	buf_add_fmt(
	    out, "%s%s: agents will look at nothing but ", prefix, m->name);
	note_paths(en, out);
	buf_add_str(out, "\n");
}

int
aclview_notes(const struct aclview *v, const struct action *a,
    const char *prefix, struct buf *out)
{
	const struct acl_entry *en;
	const struct module *m;
	size_t i, k;

	for (i = 0; i < a->noperations; i++) {
		m = module_by_number(a->operations[i].module_number);
		en = acl_of_module(v->acl, a->operations[i].module);
		for (k = 0; k < i; k++) {
			if (a->operations[k].module_number ==
			    a->operations[i].module_number)
				break;
		}
		if (m != NULL && en != NULL && k == i)
			note_operation(en, m, prefix, out);
	}
	return out->error;
}
