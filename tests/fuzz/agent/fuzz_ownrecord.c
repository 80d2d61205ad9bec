/* SPDX-License-Identifier: MPL-2.0 */
/* Entries of the own record as mig-agent report reads them: the first byte is
 * the type. What parses is within its bounds and terminated. */
#include "agent/store/ownrecord.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct own_answered answered;
	struct own_policy policy;
	struct own_asked asked;
	char note[NOTE_MAX];
	int64_t ms;

	if (own_asked_parse(data, len, &asked) == 0)
		BUG_ON(asked.nsigners > SIGS_MAX ||
		    asked.noperations > ACTION_OPERATIONS_MAX ||
		    memchr(asked.name, 0, sizeof(asked.name)) == NULL ||
		    memchr(asked.target, 0, sizeof(asked.target)) == NULL ||
		    memchr(asked.detail, 0, sizeof(asked.detail)) == NULL);
	if (own_policy_parse(data, len, &policy) == 0)
		BUG_ON(policy.nsigners > SIGS_MAX ||
		    memchr(policy.detail, 0, sizeof(policy.detail)) == NULL);
	(void)own_answered_parse(data, len, &answered);
	if (own_note_parse(data, len, &ms, note) == 0)
		BUG_ON(memchr(note, 0, sizeof(note)) == NULL);
	return 0;
}
