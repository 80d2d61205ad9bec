/* SPDX-License-Identifier: MPL-2.0 */
#include "server/stored.h"

#include "action/document.h"
#include "action/envelope.h"
#include "base/err.h"
#include "crypto/purpose.h"
#include "server/store/actions.h"

#include <string.h>

/* Unless there was no memory to look. */
static int
damaged(const struct store_action *a, const char *what, int rc, struct err *e)
{
	if (rc == ERR_NOMEM)
		return (rc);
	return (err_set(e, ERR_INVALID,
	    "action %s is damaged in the store: %s; restore the database from"
	    " a backup, or ask again",
	    id_short(&a->id).s, what));
}

static int
read_envelope(const struct store_action *a, struct envelope *env, struct err *e)
{
	struct id is;
	int rc;

	if ((rc = envelope_parse(a->envelope, a->envelope_len, env, e)) != 0)
		return (damaged(a, "its envelope cannot be read", rc, e));
	purpose_hash(PURPOSE_ACTION, env->doc, env->doc_len, &is);
	if (!id_equal(&is, &a->id))
		return (damaged(a,
		    "the document is not the one that was"
		    " signed under this id",
		    ERR_INVALID, e));
	return (0);
}

int
stored_document(const struct store_action *a, struct err *e)
{
	struct envelope env;

	return (read_envelope(a, &env, e));
}

int
stored_action(const struct store_action *a, struct err *e)
{
	struct envelope env;
	struct action doc;
	int rc;

	if ((rc = read_envelope(a, &env, e)) != 0)
		return (rc);
	if ((rc = action_parse(env.doc, env.doc_len, &doc, e)) != 0)
		return (damaged(a, "its document cannot be read", rc, e));
	if (strcmp(doc.target, a->target) != 0)
		rc = damaged(
		    a, "its target is not the document's", ERR_INVALID, e);
	else if (doc.valid_from != a->valid_from ||
	    doc.expire_after != a->expire_after)
		rc = damaged(
		    a, "its times are not the document's", ERR_INVALID, e);
	action_release(&doc);
	return (rc);
}
