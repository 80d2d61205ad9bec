/* SPDX-License-Identifier: MPL-2.0 */
#include "server/core/notes.h"

#include "server/core/core.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

bool
core_may_note(struct core *c, uint32_t request, const char *fpr)
{
	unsigned int wait =
	    rate_take(&c->notes, fpr, strlen(fpr), clock_mono_ms());

	if (wait == 0)
		return (true);
	log_warn("refused by=%s why=\"too often\"", fpr);
	core_refuse(c, request, 503, "busy",
	    "more than %d logins and shared keys of one person a minute: try"
	    " again in %u s",
	    NOTES_A_MINUTE, wait);
	return (false);
}
