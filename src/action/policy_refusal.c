/* SPDX-License-Identifier: MPL-2.0 */
#include "action/policy_refusal.h"

const char *
policy_refusal_text(unsigned int reason)
{
	switch (reason) {
#define POLICY_TEXT(name, value, text) \
	case value:                    \
		return text;
		POLICY_REFUSALS(POLICY_TEXT)
#undef POLICY_TEXT
	}
	return "unknown reason";
}
