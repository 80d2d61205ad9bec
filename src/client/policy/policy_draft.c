/* SPDX-License-Identifier: MPL-2.0 */
#include "client/policy/policy_draft.h"

#include "base/clock.h"
#include "base/str.h"

#include <string.h>

#define PART_MAX (4 * 1024 * 1024)
#define EXPIRES_DEFAULT (365 * INT64_C(86400))
#define SOON (INT64_C(7) * 86400)

void
policy_draft_init(struct policy_draft *d)
{
	memset(d, 0, sizeof(*d));
	buf_init(&d->keyring, PART_MAX);
	buf_init(&d->acl, PART_MAX);
	buf_init(&d->limits, PART_MAX);
	buf_init(&d->text, POLICY_MAX);
}

void
policy_draft_release(struct policy_draft *d)
{
	buf_release(&d->keyring);
	buf_release(&d->acl);
	buf_release(&d->limits);
	buf_release(&d->text);
}

int
policy_draft_times(struct policy_draft *d, const struct opts *o, struct err *e)
{
	const char *expires = opts_get(o, "expires");
	int64_t span = EXPIRES_DEFAULT;
	int r;

	if (expires != NULL &&
	    (r = duration_option("-expires", expires, "a duration such as 365d",
		 &span, e)) != 0)
		return r;
	d->policy.issued = clock_wall_ms() / 1000;
	d->policy.expires = d->policy.issued + span;
	return 0;
}

void
policy_warn_end(const struct policy *p)
{
	int64_t left = p->expires - clock_wall_ms() / 1000;
	char text[32];

	if (left <= 0 || left > SOON)
		return;
	duration_format(left, text);
	client_warn("warning: this policy ends in %s: from then on agents "
		    "refuse everything but the next policy",
	    text);
}

int
policy_draft_write(struct policy_draft *d, struct err *e)
{
	struct policy *p = &d->policy;
	int r;

	p->keyring = d->keyring.data;
	p->keyring_len = d->keyring.len;
	p->acl = d->acl.data;
	p->acl_len = d->acl.len;
	p->limits = d->limits.data;
	p->limits_len = d->limits.len;
	r = policy_write(p, &d->text, e);
	return r == 0 ? policy_parse(d->text.data, d->text.len, p, e) : r;
}
