/* SPDX-License-Identifier: MPL-2.0 */
/* Reading and storing a policy: see policies.h. */
#include "server/policies.h"

#include "action/policy.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "server/store/people.h"
#include "server/store/policies.h"
#include "server/store/store.h"

int
policies_set(
    struct store *s, const char *path, struct id *ret_hash, struct err *e)
{
	int64_t now = clock_wall_ms();
	struct policy p;
	struct buf text;
	int rc;

	buf_init(&text, POLICY_MAX);
	if ((rc = file_read(path, &text, e)) != 0)
		goto out;
	if ((rc = policy_parse(text.data, text.len, &p, e)) != 0) {
		err_wrap(e, "%s", path);
		goto out;
	}
	if (p.expires <= now / 1000) {
		rc =
		    err_set(e, ERR_EXPIRED, "%s: the policy has expired", path);
		goto out;
	}
	rc = store_policy_put(
	    s, &p.hash, p.version, text.data, text.len, now, e);
	if (rc == 0)
		*ret_hash = p.hash;
out:
	buf_release(&text);
	return (rc);
}
