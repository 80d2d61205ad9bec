/* SPDX-License-Identifier: MPL-2.0 */
/* The words for refusal numbers. */
#include "action/refusal.h"

const char *
refusal_text(unsigned int reason)
{
	switch (reason) {
#define REFUSAL_CASE(name, value, text) \
	case name:                      \
		return text;
		REFUSALS(REFUSAL_CASE)
#undef REFUSAL_CASE
	default:
		return "unknown reason";
	}
}
