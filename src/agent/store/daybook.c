/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/store/daybook.h"

#include <string.h>

#define DAY_MS (INT64_C(86400) * 1000)

static struct daybook_of *
find(struct daybook *d, const uint8_t person[static PGP_FPR_LEN])
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (memcmp(d->of[i].person, person, PGP_FPR_LEN) == 0)
			return &d->of[i];
	if (d->n == DAYBOOK_PERSONS)
		return &d->of[DAYBOOK_PERSONS - 1];
	if (d->n < DAYBOOK_PERSONS - 1)
		memcpy(d->of[d->n].person, person, PGP_FPR_LEN);
	return &d->of[d->n++];
}

static void
keep(struct daybook *d, const struct signed_by *by)
{
	size_t i;

	for (i = 0; i < by->n; i++)
		find(d, by->persons[i])->kept++;
}

bool
daybook_take(struct daybook *d, const struct signed_by *by, unsigned int most,
    int64_t now_ms, const struct daybook_of **ret_first)
{
	struct daybook_of *of;
	bool may = false;
	size_t i;

	*ret_first = NULL;
	if (!d->begun) {
		d->begun = true;
		d->began = now_ms;
	}
	for (i = 0; i < by->n && !may; i++)
		may = find(d, by->persons[i])->kept < most;
	if (may) {
		keep(d, by);
	} else if (by->n > 0) {
		of = find(d, by->persons[0]);
		if (of->more++ == 0)
			*ret_first = of;
		d->over = true;
	}
	return may;
}

void
daybook_count(struct daybook *d, const struct signed_by *by, int64_t age_ms,
    int64_t now_ms)
{
	if (age_ms < 0 || age_ms >= DAY_MS)
		return;
	if (!d->begun || now_ms - age_ms < d->began)
		d->began = now_ms - age_ms;
	d->begun = true;
	keep(d, by);
}

int64_t
daybook_left(const struct daybook *d, int64_t now_ms)
{
	if (!d->begun)
		return -1;
	return d->began + DAY_MS > now_ms ? d->began + DAY_MS - now_ms : 0;
}
